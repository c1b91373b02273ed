"""A traced session as values. Times are seconds since the session began, unless stated otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was published."""

    at: float
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, with a label where one is needed."""

    start: float
    end: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """Sound from `start` to `end`: its peak and RMS, 0 to 1 of full scale."""

    start: float
    end: float
    peak: float
    rms: float


@dataclass(frozen=True, slots=True)
class SpeakerState:
    """The loudspeaker's state from `at` on. `underruns` counts from the start of the session."""

    at: float
    sounding: bool
    held: bool
    gain: float
    underruns: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt at an HTTP request. A time that is None was not reached."""

    number: int
    start: float
    method: str
    url: str
    model: str
    attempt: int
    sent_bytes: int
    turn: int | None
    guessed: bool = False
    """Whether `turn` was inferred from the time, because the record has none."""
    answered: float | None = None
    status: int | None = None
    connected: bool = False
    """Whether a connection was opened for it."""
    first_byte: float | None = None
    end: float | None = None
    bytes: int = 0
    outcome: str = "unfinished"
    error: str | None = None

    @property
    def kind(self) -> str:
        """`transcribe`, `answer`, `speak`, `warm` (a HEAD request) or `other`, by method and path."""
        if self.method == "HEAD":
            return "warm"
        path = self.url.split("?")[0].rstrip("/")
        return next((kind for end, kind in _KINDS.items() if path.endswith(end)), "other")


_KINDS = {
    "/audio/transcriptions": "transcribe",
    "/chat/completions": "answer",
    "/audio/speech": "speak",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the time from the last voiced sample to the first audible one played. `name` is one of
    `turns.STAGES`."""

    name: str
    start: float
    end: float

    @property
    def ms(self) -> float:
        return (self.end - self.start) * 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `marks` are the times of its steps; those in `found` were not recorded but inferred."""

    number: int
    start: float
    end: float
    marks: Mapping[str, float]
    found: frozenset[str]
    stages: tuple[Stage, ...]
    outcome: str
    reason: str = ""
    error: str = ""
    text: str = ""
    reply: str = ""
    echo: str = ""
    """The reply's echo in the microphone, in words."""
    replaces: int | None = None
    replaced_by: int | None = None
    wasted: int = 0
    """How many requests were made whose results were thrown away."""
    requests: tuple[Request, ...] = ()

    @property
    def answered_ms(self) -> float | None:
        """Milliseconds from the last voiced sample to the first audible one played; None if no reply began."""
        return self.after_voice_ms("first_played")

    def after_voice_ms(self, mark: str) -> float | None:
        """The time of a mark in milliseconds after the last voiced sample; None if either is unknown."""
        zero, at = self.marks.get("last_voiced"), self.marks.get(mark)
        return None if zero is None or at is None else (at - zero) * 1000


@dataclass(frozen=True, slots=True)
class Session:
    """A whole session. `began_unix` is the Unix time at time 0, `length` is in seconds."""

    version: str
    began_unix: float
    length: float
    config: Mapping[str, Any]
    events: tuple[Event, ...] = ()
    microphone: tuple[Level, ...] = ()
    voice: tuple[Span, ...] = ()
    """What was voice by the VAD's last verdicts."""
    utterances: tuple[Span, ...] = ()
    """From onset to last voice. The label is `ended`, `dropped` or `unfinished`."""
    muted: tuple[Span, ...] = ()
    requests: tuple[Request, ...] = ()
    playback: tuple[Level, ...] = ()
    """The levels that were played, the gain included."""
    speaker: tuple[SpeakerState, ...] = ()
    turns: tuple[Turn, ...] = ()
    flaws: tuple[str, ...] = field(default=())
    """Messages on what is missing or could not be used in the file."""

    @property
    def described(self) -> dict[str, str]:
        """The descriptions of the parts in the `listening` event (`echo`, `vad`, `microphone`, ...); untrusted text."""
        first = next((event.fields for event in self.events if event.name == "listening"), {})
        return {name: str(description) for name, description in first.items()}
