"""The Protocols of the four pluggable parts (VAD, transcriber, handler, synthesiser), and of the journal.

A part is a class that an entry point names (groups `voiceloop.vad`, `voiceloop.transcribers`, `voiceloop.handlers`,
`voiceloop.synthesizers`), or that the config names as `use = "package.module:Class"`. It has

    Options     a pydantic model (extra keys forbidden): the keys of its table in the config besides `use`
    open        a classmethod `open(options, services)` that returns an async context manager of the part

The built-in parts are found in the same way (`registry.py`).
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
    from voiceloop.config.hallucination_table import Hallucinations
    from voiceloop.config.server_tables import OpenRouter
    from voiceloop.config.table import PartTable
    from voiceloop.config.turn_tables import Conversation

Turns = Literal["replace", "in_order", "exclusive"]
"""How a handler's turns relate. `replace`: a new turn cancels the old one (chat). `in_order`: several turns at once,
delivered in the order of speaking; speech never cancels one (dictation, captions). `exclusive`: later speech waits for
the turn at work, which only a stop word or a command ends early (commands)."""


class Settings(Protocol):
    """The configuration (`config.tables.Config`), as far as it is read by parts and those who open them."""

    @property
    def vad(self) -> PartTable: ...
    @property
    def transcribe(self) -> PartTable: ...
    @property
    def handler(self) -> PartTable: ...
    @property
    def speak(self) -> PartTable: ...
    @property
    def openrouter(self) -> OpenRouter: ...
    @property
    def hallucinations(self) -> Hallucinations: ...
    @property
    def conversation(self) -> Conversation: ...


class Clients(Protocol):
    """Hands out services: servers with their keys and retries, behind one HTTP client."""

    def service(self, wanted: Any, /) -> Any:
        """The service that `wanted` describes. Makes no request. Raises `Unauthorized` when its key is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the composition root lends to every part."""

    config: Settings
    clients: Clients
    """Hands out services; their HTTP client is made at first use, so that an offline loop never imports it."""
    publish: Publish
    """Where events go; `publish("notice", text=...)` is one line for the person at the terminal."""
    keeps: bool = True
    """Whether speech that may not be sent now is saved as a file. False when it comes from a file, or the journal keeps
    it."""
    names_speakers: bool = False
    """Whether it is of use who speaks: a transcriber need not ask for it otherwise."""


class Part(Protocol):
    """What the four kinds of parts have in common."""

    Options: ClassVar[type[BaseModel]]

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]: ...

    @property
    def description(self) -> str:
        """A few words for the start-up lines: the engine, its model, and anything special about it."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a VAD takes the samples from `start` up to `end` for voice. A later verdict on the same samples overrides
    an earlier one, so a VAD can correct itself about audio that it had judged already (back-dating)."""

    start: int
    end: int
    voiced: bool


class Vad(Part, Protocol):
    """Voice activity detection. Pure apart from its model: no clock, no task.

    May have the attribute `hint`, a bool: whether the samples that it was last fed may be the first 30 ms of voice,
    long before a verdict is certain. A reply is ducked at a hint, and comes back when no voiced verdict follows.
    """

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """Take the next samples (int16, mono, 16 kHz, any length, contiguous; `index` numbers the first), and return
        the verdicts that are now possible."""
        ...

    def reset(self) -> None:
        """Discard the samples that are not judged yet: the next ones are not contiguous with them. What was learned of
        the room may stay."""
        ...


class Transcription(Protocol):
    """One utterance on its way to text."""

    async def feed(self, pcm: bytes) -> None:
        """Take speech as it comes, from the first sample of the pre-roll on: int16, mono, 16 kHz. Engines that post
        whole clips ignore it."""
        ...

    async def finish(self, utterance: Utterance) -> Transcript:
        """The text of `utterance`, which holds what was fed, without the quiet at its end."""
        ...


class StreamedTranscription(Transcription, Protocol):
    """One utterance that is heard while it is spoken."""

    @property
    def live(self) -> bool:
        """Whether its words still come while it is spoken. False once the connection is lost: then `finish` posts the
        clip, and no word comes before."""
        ...

    def follow(self, heard: Callable[[str], None]) -> None:
        """Have `heard` called with the words so far, whenever they change. It must not wait."""
        ...


class Transcriber(Part, Protocol):
    """Speech to text.

    May have `preemptive = True`: then a pause is transcribed as if it were the end, and the longer clip again when the
    user goes on. That suits engines that post whole clips; an engine that is fed speech as it comes would begin again
    after each pause.

    May have `embedded = True`: it runs on this machine's processor, and a call costs nothing but time.

    May have `tells_speakers`, a bool that may change: whether its words say who said them (`Word.speaker`). Then it may
    have `without_speakers()`: a transcriber of the same kind that doesn't ask for that, for provisional words.

    May have `punctuates = False`: it puts a full stop or a question mark after anything, also where a sentence was cut
    off, so that they say nothing of whether the speaker has finished.

    May have `streams`, a bool that may change: whether a transcription that begins now is a `StreamedTranscription`
    that hears speech while it is fed.
    """

    def transcription(self) -> AbstractAsyncContextManager[Transcription]:
        """Begin an utterance. Several may be open at once; leaving the context without `finish` abandons one."""
        ...

    async def warm(self) -> None:
        """The user has begun to speak: get connections ready. Must not raise when a service fails."""
        ...


class Reply(Protocol):
    """Takes a handler's reply. It belongs to one turn, and ends with it."""

    @property
    def history(self) -> Sequence[Message]:
        """What the user said and what was heard of the replies before this turn, oldest first."""
        ...

    async def say(self, delta: str) -> None:
        """Add text to the reply. It is cut into chunks to be spoken; waits when speech is far behind."""
        ...

    async def play(self, speech: Speech, text: str = "") -> None:
        """Add sound that is already speech (from models that speak), with the words that it says."""
        ...

    async def committed(self) -> None:
        """Wait until the turn is certain. Call it before any action that others can see or that can't be undone."""
        ...

    def spent(self, usage: Usage) -> None:
        """Count what a request of this turn took."""
        ...


class Handler(Part, Protocol):
    """Answers what the user said, or acts on it.

    May have `began(onset)`, async: called along with `warm` when speech has begun at the sample `onset`, for anything
    that must be known as it was then, like the window that had the focus. Called for noises too.

    May have `late_s`, a float: text that is older than this many seconds is not given to it.

    May have `wake()`: ends the sleep of a handler that the user can send to sleep.
    """

    @property
    def turns(self) -> Turns: ...

    @property
    def preemptive(self) -> bool:
        """Whether `handle` may begin before the turn is certain. It must then call `committed` itself."""
        ...

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Answer. Returns when the reply is complete; is cancelled when the turn is."""
        ...

    async def warm(self) -> None: ...


class Synthesizer(Part, Protocol):
    """Text to speech.

    May have `in_language(code)`: returns the synthesizer for a reply in that language (`de`, `pt-br`), itself if it has
    no other voice for it. It makes no request and opens nothing: `speech` does. Called with a transcript's `language`.
    """

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak one chunk of text: a bounded channel of PCM, closed at its end. The context manager raises errors."""
        ...

    async def warm(self) -> None: ...


class TurnJournal(Protocol):
    """The journal's record of the speech of one turn.

    Only `safe` and `delivering` wait. None of the methods raises: speech that can't be kept is reported, and the turn
    goes on.
    """

    def paused(self, clip: Utterance) -> None:
        """The user may have finished the utterance: keep what there is of it, until it is complete."""

    def heard(self, utterance: Utterance) -> None:
        """An utterance is complete: keep it."""

    async def safe(self) -> None:
        """Wait until everything said so far is kept."""

    def transcribed(self, transcript: Transcript) -> None:
        """The text is known and certain: keep it."""

    async def delivering(self) -> None:
        """Note that from now on the text may have been delivered; returns when the note is kept. May be called
        again."""

    def over(self) -> None:
        """The speech was delivered, was a noise, or is not wanted: forget it."""

    def left(self, reason: str) -> None:
        """The speech was not delivered, and this session won't try again: leave it in the journal."""


class Journal(Protocol):
    """Keeps the speech of turns until it is delivered."""

    def turn(self, number: int) -> TurnJournal:
        """The record of the turn with this number, which must be new."""
        ...


def is_preemptive(transcriber: Transcriber) -> bool:
    """Whether `transcriber` may be given a clip before the utterance is known to be complete."""
    return bool(getattr(transcriber, "preemptive", False))


def is_embedded(transcriber: Transcriber) -> bool:
    """Whether `transcriber` runs on this machine's processor, so that its calls cost nothing but time."""
    return bool(getattr(transcriber, "embedded", False))


def punctuates(transcriber: Transcriber) -> bool:
    """Whether the full stops and question marks of `transcriber` say that a sentence is over."""
    return bool(getattr(transcriber, "punctuates", True))


def streams(transcriber: Transcriber) -> bool:
    """Whether `transcriber` hears an utterance that begins now while it is spoken."""
    return bool(getattr(transcriber, "streams", False))


def tells_speakers(transcriber: Transcriber) -> bool:
    """Whether the words of `transcriber` say who said them now."""
    return bool(getattr(transcriber, "tells_speakers", False))


def without_speakers(transcriber: Transcriber) -> Transcriber:
    """`transcriber` for words that nobody is named beside: what its `without_speakers` returns, if it has one."""
    make: Callable[[], Transcriber] | None = getattr(transcriber, "without_speakers", None)
    return transcriber if make is None else make()


def hints(vad: Vad) -> bool:
    """Whether `vad` hints at voice now. False for one that has no `hint`."""
    return bool(getattr(vad, "hint", False))


def beginning(handler: Handler) -> Callable[[int], Awaitable[None]] | None:
    """The method of `handler` that is to be called with an onset: its `began`, if it has one."""
    began: Callable[[int], Awaitable[None]] | None = getattr(handler, "began", None)
    return began


def speaking(synthesizer: Synthesizer, language: str | None) -> Synthesizer:
    """The synthesizer for a reply in `language`: what its `in_language` returns, if it has one."""
    in_language: Callable[[str], Synthesizer] | None = getattr(synthesizer, "in_language", None)
    return in_language(language) if in_language is not None and language else synthesizer


def patience_s(handler: Handler) -> float | None:
    """How long after it was said `handler` still takes a text: its `late_s`, if it has one."""
    late_s: float | None = getattr(handler, "late_s", None)
    return late_s


def waking(handler: Handler) -> Callable[[], None]:
    """The function that wakes `handler`: its `wake`, or one that does nothing."""
    wake: Callable[[], None] | None = getattr(handler, "wake", None)
    return wake or (lambda: None)
