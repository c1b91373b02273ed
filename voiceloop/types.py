"""The values that flow between the steps of the pipeline. Imports nothing else of voiceloop.

Time in these values is a sample index: the number of samples captured at 16 kHz since the daemon began to listen. The
index only grows, even when a device is lost and reopened; a `Gap` marks a place where the audio before and after is not
contiguous.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

CAPTURE_RATE_HZ = 16_000
"""The sample rate of all audio between the microphone and the transcriber."""
FRAME_SAMPLES = 320
"""20 ms at the capture rate."""
SAMPLE_BYTES = 2
"""Samples are signed 16-bit little-endian, mono, everywhere."""


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of sound from the microphone: int16, mono, 16 kHz; `index` numbers its first sample.

    The last frame before a `Gap` or the end of the input may be shorter.
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
    """The user has muted the microphone, which closes the device."""
    DEVICES_CHANGED = "the sound devices have changed"
    """All streams were closed for a moment, because only then can the list of devices be read again."""
    DEFAULT_CHANGED = "another device has become the default"
    """The recorded loudspeaker is no longer the default one, or the server moved the stream with the default."""
    NO_MICROPHONE = "there is no microphone"
    """The sound server has connected the stream to something else than the microphone that is wanted."""
    LOST = "the device or the sound server is gone"
    SILENT = "the device no longer delivers sound"
    """The device is open, but its callback is no longer called."""
    STALLED = "the program was too busy to listen"
    """Samples waited for longer than the bridge keeps them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A break in the microphone's sound: the samples from `index` on are not contiguous with those before."""

    index: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech with its pre-roll: int16, mono, `rate_hz`; `start` numbers its first sample.

    `continues` says that it was cut for length, and that more of the same speech follows.
    `voiced_end` is the index just past the last voiced sample.
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
    speaker: str | None = None
    """Who said it, by the service's own number or label, if it tells. The same label in another transcript may be
    somebody else."""


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """A sound that is no speech, as a recogniser describes it: `laughter`. It stands behind the first `letters` letters
    and digits of the transcript's text."""

    text: str
    letters: int
    start_s: float | None = None
    end_s: float | None = None
    """When it was heard, in seconds from the utterance's first sample; None if the engine doesn't say."""

    def moved(self, *, letters: int, seconds: float) -> SoundEvent:
        """The event in a longer transcript, behind so many more letters and seconds."""
        start_s, end_s = (None if at_s is None else at_s + seconds for at_s in (self.start_s, self.end_s))
        return SoundEvent(self.text, self.letters + letters, start_s, end_s)


@dataclass(frozen=True, slots=True)
class Usage:
    """What requests took, as the service stated it. Add up with `+`; a value that wasn't stated (None) adds nothing."""

    requests: int = 1
    cost_usd: float | None = None
    estimated_usd: float | None = None
    """The cost, by the models' listed prices, of requests whose answers state no cost. Not included in `cost_usd`."""
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
    """The text of an utterance. `text` is untrusted. `confidence` is 0 to 1, or None if the engine doesn't say."""

    text: str
    utterance: Utterance
    usage: Usage | None = None
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None
    no_speech: float | None = None
    """How sure the engine was that nobody spoke: 0 to 1, or None if it doesn't say."""
    sounds: tuple[SoundEvent, ...] = ()
    """Sounds besides the speech, in order. Neither `text` nor `words` has them."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of synthesised sound: int16, mono, whole samples, at `rate_hz`. One piece of a reply carries `usage`."""

    pcm: bytes = field(repr=False)
    rate_hz: int
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """The text of the part of a reply that was really played; `complete` if that is all of it."""

    text: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Message:
    """An entry of the conversation's history: what the user said, or what was heard of a reply."""

    role: str
    """`user` or `assistant`."""
    text: str


def by_turn(messages: Iterable[Message]) -> list[list[Message]]:
    """The messages of a conversation, turn by turn. A turn begins with what the user said, and nothing else does: what
    stands before the first such message belongs to the first turn."""
    turns: list[list[Message]] = []
    for message in messages:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


class CancelReason(StrEnum):
    """Why a turn was cancelled."""

    BARGE_IN = "barge-in"
    """The user spoke over its reply; what they said is the next turn."""
    MERGED = "merged"
    """The user went on when hardly any of its reply had been heard: its speech became part of the next turn."""
    JOINED = "joined"
    """The user went on before it was decided whether its speech interrupts the reply: the next turn has both."""
    BACKCHANNEL = "backchannel"
    """The user only said something like "mhm" over a reply, which goes on."""
    ECHO = "echo"
    """Nobody spoke: the microphone heard the loop's own voice."""
    STOP_WORD = "stopped"
    """The user said a stop word: the speech is not to be acted on, nor kept."""
    WITHDRAWN = "withdrawn"
    """A command (`voiceloop ctl cancel`): the speech is not to be acted on, nor kept."""
    ENDING = "told to end"
    """The program ends. If there is a journal, it keeps the speech."""
