"""Synthesizer `piper`: any voice of Piper, in a process of its own. Knows no playback.

Piper is licensed under GPL-3, so it is an optional extra, and is never imported here: `piper_worker.py` imports it. If
that process dies or hangs, it is started anew by the next text.

    text -> clauses -> [process: phonemes, sound] -> channel

The process speaks a clause at a time, so that the first sound comes soon, and a cancelled text occupies it for one
clause at most.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop import registry
from voiceloop.config.tables import Table
from voiceloop.errors import ConfigError, EngineError
from voiceloop.net.streaming import streaming
from voiceloop.nursery import private_nursery
from voiceloop.speak.clauses import clauses
from voiceloop.speak.piper_files import VoiceFiles, voice_files
from voiceloop.speak.piper_process import Died, Refused, Worker
from voiceloop.speak.seams import Seams
from voiceloop.types import Speech

if TYPE_CHECKING:
    from voiceloop.plugins import Services

PLACE = 'speak.use = "piper"'
FIRST, LONGEST = 60, 100
"""The longest first clause, and the longest other, in characters: they take 0.35 s and 0.7 s on one core."""
QUEUE_PIECES = 4
"""The bound of the channel. When it is full the next clause waits."""
MAX_THREADS = 4


class PiperOptions(Table):
    """The keys of `[speak]` with `use = "piper"`."""

    voice: str = ""
    """A voice: the name of one that is installed (`voiceloop models get` lists some), or the path of an `.onnx`, with
    its `.onnx.json` beside it."""
    speaker: Annotated[int, Field(ge=0)] | None = None
    """The number of the speaker, for a voice that has several; unset: the voice's own choice."""
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    """The speed: 2.0 is twice as fast."""


class PiperSynthesizer:
    """The synthesizer Piper: about fifty languages, real-time factor 0.1 on one core."""

    Options = PiperOptions
    requires: ClassVar = ("piper",)

    def __init__(self, files: VoiceFiles, settings: Mapping[str, object], nursery: trio.Nursery) -> None:
        self._files, self._settings, self._nursery = files, settings, nursery
        self._starting = trio.Lock()
        self._worker: Worker | None = None
        self._rate_hz = files.rate_hz

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Start the process and load the voice (1 s). Raises MissingExtra, EngineError, and ConfigError for a voice
        that is missing or damaged."""
        assert isinstance(options, PiperOptions)
        registry.check(cls)
        files = voice_files(options.voice, "speak.voice")
        async with private_nursery() as nursery:
            synthesizer = cls(files, _settings(options, files), nursery)
            try:
                await synthesizer._loaded()
            except Refused as error:
                raise ConfigError([f"speak.voice: '{files.model}' can't be used: {error}"]) from None
            except Died:
                raise _dead("while it loaded the voice", "Run it by hand: python -m piper --help") from None
            yield synthesizer

    @property
    def description(self) -> str:
        return f"Piper, voice {self._files.name}, {self._rate_hz} Hz"

    async def warm(self) -> None:
        """Start the process anew if it has died."""
        if self._worker is not None and not self._worker.alive:
            self._nursery.start_soon(self._start_anew, name="start Piper anew")
        await trio.lowlevel.checkpoint()

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`, clause by clause. Leaving the context stops after the clause that is being spoken."""

        async def produce(send: trio.MemorySendChannel[Speech]) -> None:
            # Piper would take "[[...]]" for phonemes, and fails at null characters.
            plain = text.replace("\0", " ").replace("[[", "[ [")
            pieces = clauses(plain, first=FIRST, longest=LONGEST, language=self._files.language)
            seams = Seams(self._rate_hz)
            for number, (piece, following) in enumerate(zip_longest(pieces, pieces[1:])):
                pcm = await self._spoken(piece, may_repeat=number == 0)
                if pcm:
                    await send.send(Speech(seams.piece(pcm, piece, following), self._rate_hz))

        return streaming(produce, QUEUE_PIECES)

    async def _spoken(self, text: str, *, may_repeat: bool) -> bytes:
        """The sound of a clause. `may_repeat`: whether it is tried again when the process dies. Raises EngineError."""
        for may_die in (may_repeat, False):
            try:
                worker = await self._loaded()
                return await worker.speak(text)
            except Refused as error:
                raise EngineError(f"Piper can't speak: {error}", place=PLACE, remedy="Try another voice") from None
            except Died:
                if not may_die:
                    break
        raise _dead("the rest of the text is not spoken", "It is started anew for the next one")

    async def _loaded(self) -> Worker:
        """A process that is alive and has loaded the voice. Raises Died and Refused."""
        async with self._starting:
            if self._worker is None or not self._worker.alive:
                self._worker = await Worker.start(self._settings)
                self._nursery.start_soon(self._worker.run, name="receive from Piper")
            worker = self._worker
        self._rate_hz = await worker.ready()
        return worker

    async def _start_anew(self) -> None:
        try:
            await self._loaded()
        except (Died, Refused):
            return  # the next text tries again, and reports it


def _settings(options: PiperOptions, files: VoiceFiles) -> dict[str, object]:
    """What the process is told at its start."""
    return {
        "model": str(files.model),
        "config": str(files.config),
        "speaker": options.speaker,
        "speed": options.speed,
        "threads": max(1, min(MAX_THREADS, (os.cpu_count() or 1) // 2)),
    }


def _dead(what: str, remedy: str) -> EngineError:
    return EngineError(f"Piper's process died: {what}", place=PLACE, remedy=remedy)
