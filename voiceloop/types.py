"""What flows between the steps. Imports nothing of ours; knows no device, clock or network.

Time in these values is a sample index: samples captured at 16 kHz since the daemon began to listen. The index only
grows, over a lost and reopened device too; a `Gap` marks where the audio on its two sides is not contiguous.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

CAPTURE_RATE_HZ = 16_000
"""The rate of everything between the microphone and the transcriber."""
FRAME_SAMPLES = 320
"""20 ms at the capture rate."""
SAMPLE_BYTES = 2
"""Samples are signed 16-bit little-endian, mono, everywhere in the loop."""


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of the microphone: int16, mono, 16 kHz; `index` numbers its first sample.

    The last frame before a `Gap` or the end may be shorter.
    """

    pcm: bytes
    index: int

    @property
    def samples(self) -> int:
        return len(self.pcm) // SAMPLE_BYTES

    @property
    def end(self) -> int:
        """The index just past the last sample."""
        return self.index + self.samples


class GapReason(StrEnum):
    """Why samples are missing from the microphone's stream."""

    MUTED = "muted"
    """The user has closed the device for a while."""
    DEVICES_CHANGED = "the sound devices have changed"
    """All streams were closed for a moment, so that the list of devices could be read again."""
    DEFAULT_CHANGED = "the computer plays elsewhere"
    """The loudspeaker that is listened to is no longer the default one."""
    LOST = "the device or the sound server is gone"
    SILENT = "it gives no sound any more"
    """The device is open, and calls back no more."""
    STALLED = "the program was too busy to listen"
    """Samples waited for longer than the bridge holds them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The microphone went away and came back (or will): nothing after `index` is contiguous with what was before."""

    index: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech with its pre-roll: int16, mono, `rate_hz`; `start` numbers its first sample.

    `continues` says that it was cut for length and that more of the same speech follows.
    `voiced_end` is the index just past the last sample judged to be voice.
    """

    pcm: bytes = field(repr=False)
    start: int
    voiced_end: int
    rate_hz: int = CAPTURE_RATE_HZ
    continues: bool = False

    @property
    def samples(self) -> int:
        return len(self.pcm) // SAMPLE_BYTES

    @property
    def end(self) -> int:
        return self.start + self.samples

    @property
    def duration_s(self) -> float:
        return self.samples / self.rate_hz


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was said, in seconds from the utterance's first sample."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a service said that a request took. Sums with `+`; a service that says nothing adds nothing."""

    requests: int = 1
    cost_usd: float | None = None
    estimated_usd: float | None = None
    """What requests took, by the models' listed prices, whose answers say no cost: beside `cost_usd`, not in it."""
    audio_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    characters: int | None = None
    generation_ids: tuple[str, ...] = ()

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            requests=self.requests + other.requests,
            cost_usd=_sum(self.cost_usd, other.cost_usd),
            estimated_usd=_sum(self.estimated_usd, other.estimated_usd),
            audio_s=_sum(self.audio_s, other.audio_s),
            input_tokens=_sum(self.input_tokens, other.input_tokens),
            output_tokens=_sum(self.output_tokens, other.output_tokens),
            characters=_sum(self.characters, other.characters),
            generation_ids=self.generation_ids + other.generation_ids,
        )


_N = TypeVar("_N", int, float)


def _sum(a: _N | None, b: _N | None) -> _N | None:
    return b if a is None else a if b is None else a + b


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a transcriber heard. `text` is untrusted. `confidence` is 0 to 1 where the engine knows it."""

    text: str
    utterance: Utterance
    usage: Usage | None = None
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None
    no_speech: float | None = None
    """How sure the engine was that nobody spoke, 0 to 1, where it says so."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of synthesised sound: int16, mono, whole samples, at `rate_hz`. `usage` rides on one piece."""

    pcm: bytes = field(repr=False)
    rate_hz: int
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of a reply was really played; `complete` when all of it was."""

    text: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A line of the conversation's history: what the user said, or what of the reply was heard."""

    role: str
    """`user` or `assistant`."""
    text: str


class CancelReason(StrEnum):
    """Why a turn was cancelled."""

    BARGE_IN = "barge-in"
    """The user spoke over its reply, and that was the next turn."""
    MERGED = "merged"
    """Hardly any of its reply was heard when the user went on: its speech became part of the next turn."""
    JOINED = "joined"
    """The user went on before it was decided whether its speech interrupts: one turn has both."""
    BACKCHANNEL = "backchannel"
    """The user said "mhm" over a reply, which goes on."""
    ECHO = "echo"
    """The microphone heard the loop's own voice."""
    STOP_WORD = "stopped"
    """The user said a stop word: nothing is to be done with what was said."""
    WITHDRAWN = "withdrawn"
    """A command (`voiceloop ctl cancel`): nothing is to be done with what was said."""
    ENDING = "told to end"
    """The program ends. What was said is kept, where something is done with it."""
