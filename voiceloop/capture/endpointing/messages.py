"""What an endpointer is told by those who judge the words and the sound before a pause. Pure values: times are
sample indices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextAwaited:
    """The clip up to the pause that starts at `at` was posted. `TextKnown` follows, with "" on failure."""

    at: int


@dataclass(frozen=True, slots=True)
class TextKnown:
    """The transcript of a turn's speech up to the pause that starts at `at`."""

    text: str
    at: int
    language: str | None
    punctuated: bool = True
    """Whether its full stops and question marks mean something."""


@dataclass(frozen=True, slots=True)
class SoundAwaited:
    """The acoustic judge was asked about the pause that starts at `at`. `SoundKnown` follows, with None on failure."""

    at: int


@dataclass(frozen=True, slots=True)
class SoundKnown:
    """The acoustic judge's log-odds that the turn is over, by the sound before the pause that starts at `at`."""

    log_odds: float | None
    at: int


@dataclass(frozen=True, slots=True)
class SoundLost:
    """The acoustic judge has failed, and is asked about no further pause."""


@dataclass(frozen=True, slots=True)
class PauseMissed:
    """The quiet from `start` had ended a turn, but the speaker went on at `at`: it was a pause."""

    start: int
    at: int


Message = TextAwaited | TextKnown | SoundAwaited | SoundKnown | SoundLost | PauseMissed
"""What an endpointer is told."""
