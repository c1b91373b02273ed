"""The Protocols of the four pluggable parts, and the door through which they are found.

A part is a class that an entry point names (`voiceloop.vad`, `voiceloop.transcribers`, `voiceloop.handlers`,
`voiceloop.synthesizers`), or that the config spells as `use = "package.module:Class"`. It has

    Options     a pydantic model (extra keys forbidden): the keys of its table in the config besides `use`
    open        a classmethod `open(options, services)` that returns an async context manager of the part

The built-in parts come through the same door.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import trio
from pydantic import BaseModel

from voiceloop.events import Publish
from voiceloop.types import Message, Speech, Transcript, Usage, Utterance

if TYPE_CHECKING:
    from voiceloop.config.tables import Config

Turns = Literal["replace", "in_order", "exclusive"]
"""How a handler's turns relate. `replace`: a new turn cancels the old one (chat). `in_order`: several at once,
delivered by the time they were spoken; speech never cancels (dictation, captions). `exclusive`: later speech waits
for the turn at work; only an explicit stop kills it (commands)."""


class Clients(Protocol):
    """Hands out services: servers with their keys and retries, behind one HTTP client."""

    def service(self, wanted: Any, /) -> Any:
        """The service that `wanted` describes. Raises `Unauthorized` without a key; makes no request."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the composition root lends to every part."""

    config: Config
    clients: Clients
    """Hands out the one HTTP client; made at first use, so that an offline loop never imports it."""
    publish: Publish
    """Where events go; `publish("notice", text=...)` is one line for the person at the terminal."""
    keeps: bool = True
    """Whether what was said and may not be sent is kept as a file: not when it comes from one."""


class Part(Protocol):
    """What is common to the four."""

    Options: ClassVar[type[BaseModel]]

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]: ...

    @property
    def description(self) -> str:
        """A few words for the start-up lines: the engine, its model, what is special about it."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a VAD thinks of the samples `start` to `end`. A later verdict on the same samples overrides an earlier one:
    so an engine can think again about audio that it passed over (back-dating)."""

    start: int
    end: int
    voiced: bool


class Vad(Part, Protocol):
    """Tells voice from other sound. Pure apart from its model: no clock, no task.

    May have `hint`: whether what it was last fed may be the first 30 ms of voice, long before a verdict is certain. A
    reply is ducked on it, which is undone when no voiced verdict follows.
    """

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """Take the next samples (int16, mono, 16 kHz, any length, contiguous) and give the verdicts now possible."""
        ...

    def reset(self) -> None:
        """Forget everything: the next samples are not contiguous with the last."""
        ...


class Transcription(Protocol):
    """One utterance on its way to text."""

    async def feed(self, pcm: bytes) -> None:
        """Speech as it comes, from the first sample of the pre-roll on. Engines that post whole clips ignore it."""
        ...

    async def finish(self, utterance: Utterance) -> Transcript:
        """The text of `utterance`, which holds what was fed less its trimmed tail."""
        ...


class Transcriber(Part, Protocol):
    """May have `preemptive = True`: then a pause is transcribed as if it were the end, and the longer clip again when
    it was not. For engines that post whole clips; one that is fed as speech comes would begin anew each time."""

    def transcription(self) -> AbstractAsyncContextManager[Transcription]:
        """Start on a new utterance. Several may be open at once; leaving the context abandons one."""
        ...

    async def warm(self) -> None:
        """Speech has begun: get connections ready. Must never raise for a service's sake."""
        ...


class Reply(Protocol):
    """What a handler answers into. Everything it is told belongs to one turn and ends with it."""

    @property
    def history(self) -> Sequence[Message]:
        """What was said and heard before this turn, oldest first."""
        ...

    async def say(self, delta: str) -> None:
        """Add to the reply. Text is cut into speakable chunks; waits when speech is far behind."""
        ...

    async def play(self, speech: Speech, text: str = "") -> None:
        """Add sound that is already speech (voice-native models), with the words that it says."""
        ...

    async def committed(self) -> None:
        """Wait until the turn is certain. Call before anything that the world can see."""
        ...

    def spent(self, usage: Usage) -> None:
        """Count what a request of this turn took."""
        ...


class Handler(Part, Protocol):
    """May have `began(onset)`, async, told beside `warm` that speech has begun at a sample: for what must be known as
    it was then, like the window that had the focus. Noises begin too."""

    @property
    def turns(self) -> Turns: ...

    @property
    def preemptive(self) -> bool:
        """Whether `handle` may begin before the turn is certain (it then calls `committed` itself)."""
        ...

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Answer. Returns when the reply is complete; cancelled when the turn is."""
        ...

    async def warm(self) -> None: ...


class Synthesizer(Part, Protocol):
    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak one chunk of text: a bounded channel of PCM, closed at the end. Errors leave by the context manager."""
        ...

    async def warm(self) -> None: ...


class TurnJournal(Protocol):
    """The speech of one turn. Only `safe` and `delivering` wait; neither fails: what can't be kept is said, and the
    turn goes on."""

    def paused(self, clip: Utterance) -> None:
        """An utterance is all there unless it goes on: keep what there is, until it is complete."""

    def heard(self, utterance: Utterance) -> None:
        """An utterance is complete: keep it."""

    async def safe(self) -> None:
        """Wait until all that was said so far is kept."""

    def transcribed(self, transcript: Transcript) -> None:
        """Its text is known, and certain."""

    async def delivering(self) -> None:
        """Note that from now on it may have been delivered; returns when that is kept. May be called again."""

    def over(self) -> None:
        """It was delivered, was nothing, or is not wanted: forget it."""

    def left(self, reason: str) -> None:
        """It was not delivered, and this session won't try again."""


class Journal(Protocol):
    """Keeps the speech of turns."""

    def turn(self, number: int) -> TurnJournal: ...


def is_preemptive(transcriber: Transcriber) -> bool:
    """Whether `transcriber` says that it may transcribe a clip before it is known to be whole."""
    return bool(getattr(transcriber, "preemptive", False))


def hints(vad: Vad) -> bool:
    """Whether `vad` has the means to hint at voice, and does."""
    return bool(getattr(vad, "hint", False))


def beginning(handler: Handler) -> Callable[[int], Awaitable[None]] | None:
    """What `handler` wants to be told of an onset by, if it does."""
    began: Callable[[int], Awaitable[None]] | None = getattr(handler, "began", None)
    return began


def patience_s(handler: Handler) -> float | None:
    """How long after speech `handler` still takes its text: its `late_s`, if it has one."""
    late_s: float | None = getattr(handler, "late_s", None)
    return late_s


def waking(handler: Handler) -> Callable[[], None]:
    """What ends the sleep of a handler that the user can send to sleep: its `wake`, if it has one."""
    wake: Callable[[], None] | None = getattr(handler, "wake", None)
    return wake or (lambda: None)
