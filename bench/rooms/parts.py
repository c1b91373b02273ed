"""The engines of the simulated room: a recogniser that knows who has spoken, prepared replies, recorded speech.

Every clip that is posted has a text. If the person speaks in it, it is what they say; otherwise it is words that
nobody has said, and no reply has: so nothing but the sound tells the loop's own voice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import ClassVar, Self

import trio
from pydantic import BaseModel

from bench.rooms.voices import SPEAKER_HZ
from voiceloop.config.tables import Table
from voiceloop.plugins import Reply, Services, Turns
from voiceloop.types import SAMPLE_BYTES, Speech, Transcript, Utterance

TRANSCRIBE_S, ANSWER_S, SPEAK_S = 0.3, 0.3, 0.2
_PIECE_S, _PACE = 0.1, 4
OWN = "They were gone before seven."
SAYS = ("Tell me about rivers.", "And about mountains?", "Now describe forests.", "Explain deserts.", "Talk of oceans.")
REPLIES = ("Certainly one.", "Certainly two.", "Certainly three.", "Certainly four.")
_AGAIN = 2
"""So often the same words are answered: a reply that begins anew may cut itself off for ever."""


@dataclass
class Script:
    """What the parts must know. `spoken(start, end)`: which utterance of the person is in those samples, if any."""

    spoken: Callable[[int, int], int | None]
    replies: tuple[bytes, ...]
    """At 24 kHz, int16."""
    answered: Counter[str] = field(default_factory=Counter)


SCRIPT: ContextVar[Script] = ContextVar("script")


class _Part:
    Options: ClassVar[type[BaseModel]] = Table
    description = "simulated"

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        yield cls()

    def __init__(self) -> None:
        self.script = SCRIPT.get()

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()


class Recogniser(_Part):
    """A transcriber."""

    preemptive = True

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Recogniser]:
        yield self

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        await trio.sleep(TRANSCRIBE_S)
        number = self.script.spoken(utterance.start, utterance.voiced_end)
        return Transcript(OWN if number is None else SAYS[number], utterance)


class Answerer(_Part):
    """A handler: answers the person's prompts, and says nothing to its own voice."""

    turns: Turns = "replace"
    preemptive = True

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        await trio.sleep(ANSWER_S)
        asked = next((n for n, words in enumerate(SAYS[: len(REPLIES)]) if words in transcript.text), None)
        if asked is None:
            return
        if self.script.answered[SAYS[asked]] < _AGAIN:
            await reply.say(REPLIES[asked])


class Voice(_Part):
    """A synthesizer: recorded voices."""

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        await trio.sleep(SPEAK_S)
        send, receive = trio.open_memory_channel[Speech](8)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, self.script.replies[REPLIES.index(text.strip())], send)
            yield receive
            nursery.cancel_scope.cancel()

    @staticmethod
    async def _send(pcm: bytes, send: trio.MemorySendChannel[Speech]) -> None:
        size = round(_PIECE_S * SPEAKER_HZ) * SAMPLE_BYTES
        with send:
            for at in range(0, len(pcm), size):
                await send.send(Speech(pcm[at : at + size], SPEAKER_HZ))
                await trio.sleep(_PIECE_S / _PACE)
