"""The events of speech: what the segmenter tells of an utterance, from its onset to its end. Pure values; positions are
sample indices."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voiceloop.capture.endpointing.judgement import Decision
from voiceloop.types import Utterance


class EndReason(StrEnum):
    """Why an utterance ended."""

    HANGOVER = "hangover"
    """The quiet after it lasted for the hangover."""
    LENGTH = "length"
    """It reached the maximum length: a `SpeechStarted` follows directly."""
    GAP = "gap"
    """The next samples are not contiguous with it."""
    MUTED = "muted"
    """The microphone is no longer listened to: half-duplex mute, or muted by the user."""
    END = "end"
    """The input ended."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance began. `pcm` and the `SpeechAudio` events after it add up to exactly the utterance's samples."""

    start: int
    """The utterance's first sample: the onset minus the pre-roll."""
    onset: int
    """The first voiced sample (back-dated)."""
    noticed: int
    """The index up to which the VAD had judged when the onset became certain."""
    pcm: bytes = field(repr=False)
    """The samples from `start` on that are certain to belong to the utterance."""


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """The next piece of the open utterance. Quiet beyond `tail_ms` is held back until speech resumes."""

    pcm: bytes = field(repr=False)
    voiced_end: int
    """Just past the last voiced sample so far."""


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """It has been quiet for `pause_ms`. Speech may resume."""

    at: int
    """The last voiced sample plus `pause_ms`."""
    since: int
    """Just past the last voiced sample."""
    utterance: Utterance
    """The utterance so far."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Voice came back after a `SpeechPaused`."""

    at: int
    """The first sample of the new voice."""
    decision: Decision | None = field(default=None, compare=False)
    """How long the pause would have had to last."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is complete."""

    utterance: Utterance
    reason: EndReason = EndReason.HANGOVER
    decision: Decision | None = field(default=None, compare=False)
    """How long the pause after it had to last."""


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """The open utterance was a noise: it held less voice than `min_speech_ms`. Its samples count as silence."""

    start: int
    samples: int


SpeechEvent = SpeechStarted | SpeechAudio | SpeechPaused | SpeechResumed | SpeechEnded | SpeechDropped
