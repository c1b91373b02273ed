"""Synthesizer `hibari`: an embedded English voice, 24 kHz, about a hundred times faster than it speaks. Knows no
playback.

    text -> spoken form -> pieces -> phonemes and sound, in a thread -> channel
            (pronunciation)  (clauses)     (hibari_voice, one call at a time)

Everything is loaded and tried when it is opened, in ways that let the audio callbacks run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop import registry
from voiceloop.config.tables import Table
from voiceloop.inference.memory import give_back
from voiceloop.net.streaming import streaming
from voiceloop.speak.clauses import clauses
from voiceloop.speak.hibari_voice import RATE_HZ, Voice, find_voice, is_british
from voiceloop.speak.pronunciation import spoken_form
from voiceloop.speak.seams import Seams
from voiceloop.speak.serial_calls import SerialCalls, open_serial_calls
from voiceloop.speak.writing_scripts import foreign_scripts
from voiceloop.types import Speech

if TYPE_CHECKING:
    from voiceloop.plugins import Services

FIRST, LONGEST = 120, 180
"""The longest first piece, and the longest other, in characters: memory grows with the longest."""
QUEUE_PIECES = 8
"""The bound of the channel. When it is full the next piece waits."""


class HibariOptions(Table):
    """The keys of `[speak]` with `use = "hibari"`."""

    voice: str = "heart"
    """A voice by its name (`heart`, in the package; `emma`, `fable`, `fenrir`, `kore`, once fetched by the package's
    own program), or the path of its `.onnx`."""
    accent: Literal["us", "gb"] | None = None
    """Whether words are pronounced as in American (`us`) or British (`gb`) English; unset: as the voice does."""
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    """The speed: 2.0 is twice as fast."""


class HibariSynthesizer:
    """The synthesizer hibari: English only, first sound after 10 to 45 ms."""

    Options = HibariOptions
    requires: ClassVar = ("onnxruntime", "hibari")

    def __init__(self, voice: Voice, options: HibariOptions, calls: SerialCalls, services: Services) -> None:
        self._voice, self._options, self._calls = voice, options, calls
        self._publish = services.publish
        self._told: set[str] = set()
        """The scripts of which was said that they are not spoken."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Load the voice and try it (0.6 s). Raises MissingExtra, EngineError, and ConfigError for an unknown voice."""
        assert isinstance(options, HibariOptions)
        registry.check(cls)
        async with open_serial_calls() as calls:
            voice = await calls.call(lambda: _load(options))
            yield cls(voice, options, calls, services)

    @property
    def description(self) -> str:
        accent = f", accent {self._options.accent}" if self._options.accent else ""
        return f"hibari, voice {self._options.voice}{accent}, {RATE_HZ} Hz"

    async def warm(self) -> None:
        """Do nothing: the voice is in memory already."""
        await trio.lowlevel.checkpoint()

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`, piece by piece. Leaving the context stops at the piece that is being made, which is dropped."""

        async def produce(send: trio.MemorySendChannel[Speech]) -> None:
            self._tell_scripts(text)
            seams = Seams(RATE_HZ)
            pieces = clauses(spoken_form(text), first=FIRST, longest=LONGEST, language="en")
            for piece, next_piece in zip_longest(pieces, pieces[1:]):
                parts = await self._calls.call(partial(self._voice.phonemes, piece))
                for number, phonemes in enumerate(parts, 1):
                    pcm = await self._calls.call(partial(self._voice.sound, phonemes, self._options.speed))
                    said, following = (piece, next_piece) if number == len(parts) else (",", "")
                    await send.send(Speech(seams.piece(pcm, said, following), RATE_HZ))
            await self._calls.call(give_back)

        return streaming(produce, QUEUE_PIECES)

    def _tell_scripts(self, text: str) -> None:
        """Say once of each script that it is not spoken."""
        for script in foreign_scripts(text):
            if script not in self._told:
                self._told.add(script)
                notice = f"speak: hibari speaks English only: text in {script} letters is not spoken"
                self._publish("notice", text=f'{notice}. speak.use = "local" has a voice for each language')


def _load(options: HibariOptions) -> Voice:
    british = options.accent == "gb" if options.accent else is_british(options.voice)
    voice = Voice(find_voice(options.voice), british=british)
    voice.warm()
    return voice
