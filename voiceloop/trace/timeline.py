"""A session as its trace tells it: values only. Times are seconds since the session began unless said otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """What the loop told."""

    at: float
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
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
    """The loudspeaker from `at` on. `underruns` counts from the beginning."""

    at: float
    sounding: bool
    held: bool
    gain: float
    underruns: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt at an HTTP request. What is None wasn't reached."""

    number: int
    start: float
    method: str
    url: str
    model: str
    attempt: int
    sent_bytes: int
    turn: int | None
    guessed: bool = False
    """The turn was told from the time, not by the loop."""
    answered: float | None = None
    status: int | None = None
    connected: bool = False
    """It had to open a connection of its own."""
    first_byte: float | None = None
    end: float | None = None
    bytes: int = 0
    outcome: str = "unfinished"
    error: str | None = None

    @property
    def kind(self) -> str:
        """`transcribe`, `answer`, `speak`, `warm` or `other`, by its path."""
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
    """A piece of the way from the last voiced sample to the first one played; `name` is one of `turns.STAGES`."""

    name: str
    start: float
    end: float

    @property
    def ms(self) -> float:
        return (self.end - self.start) * 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `marks` are all that the loop told, and what could be found out besides (`found`)."""

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
    replaces: int | None = None
    replaced_by: int | None = None
    wasted: int = 0
    """Requests made ahead for nothing."""
    requests: tuple[Request, ...] = ()

    @property
    def answered_ms(self) -> float | None:
        """From the last voiced sample to the first one played; None when no reply began."""
        return self.after_voice_ms("first_played")

    def after_voice_ms(self, mark: str) -> float | None:
        """When a mark was reached, in ms after the last voiced sample."""
        zero, at = self.marks.get("last_voiced"), self.marks.get(mark)
        return None if zero is None or at is None else (at - zero) * 1000


@dataclass(frozen=True, slots=True)
class Session:
    """All of it. `began_unix` is the wall clock's time at 0."""

    version: str
    began_unix: float
    length: float
    config: Mapping[str, Any]
    events: tuple[Event, ...] = ()
    microphone: tuple[Level, ...] = ()
    voice: tuple[Span, ...] = ()
    """What the VAD judged to be voice, in the end."""
    utterances: tuple[Span, ...] = ()
    """From onset to last voice; the label is what became of it."""
    muted: tuple[Span, ...] = ()
    requests: tuple[Request, ...] = ()
    playback: tuple[Level, ...] = ()
    """As it was pulled, the gain applied."""
    speaker: tuple[SpeakerState, ...] = ()
    turns: tuple[Turn, ...] = ()
    flaws: tuple[str, ...] = field(default=())
    """What of the file could not be used, in words."""

    @property
    def described(self) -> dict[str, str]:
        """What the loop said of its parts at its start (`echo`, `vad`, `microphone`, ...); untrusted."""
        first = next((event.fields for event in self.events if event.name == "listening"), {})
        return {name: str(said) for name, said in first.items()}
