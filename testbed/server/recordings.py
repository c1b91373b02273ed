"""Recordings with known words: recognises them in a clip, and speaks a text with the recordings that contain it.

With these the loopback service transcribes exactly the audio that it is sent, and answers in a human voice. Recordings
are found by normalised cross-correlation: at any gain, in noise, and in part. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voiceloop.audio.resample import resample
from voiceloop.audio.wav import parse_wav, read_wav

Sound = NDArray[np.float64]
RATE_HZ = 4_000
"""The sample rate of the search. It keeps the band that distinguishes most voices and words, as telephone speech
does."""
FOUND = 0.68
"""The least correlation of a clip and a recording where they overlap (1: equal except for the level). Vowels of one
speaker give parts of different recordings correlations of up to 0.62; speech after the echo canceller has 0.83 and
more."""
LEAST_SHARE = 0.12
"""The least share of a recording's energy that must lie within the clip."""
_LOWEST_HZ = 500
_BLOCK = RATE_HZ // 10
_BLOCK_FOUND = 0.3
_SPEECH_DB = -35.0
"""Speech is every 10 ms whose level, relative to the loudest 10 ms, is above this."""


@dataclass(frozen=True)
class Recording:
    """A recording: `words` are spoken in `pcm` (int16, mono, at `rate_hz`)."""

    words: str
    pcm: bytes
    rate_hz: int
    _spectra: dict[int, NDArray[np.complex128]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def sound(self) -> Sound:
        return _samples(resample(self.pcm, from_hz=self.rate_hz, to_hz=RATE_HZ))

    @cached_property
    def bright(self) -> Sound:
        """The sound that is searched for: without the lowest frequencies."""
        return _bright(self.sound)

    def spectrum(self, size: int) -> NDArray[np.complex128]:
        """The conjugate spectrum, for a search in `size` samples. Cached: clips of about the same length use the same
        one."""
        if size not in self._spectra:
            self._spectra[size] = np.conj(np.fft.rfft(self.bright, size))
        return self._spectra[size]

    @cached_property
    def times(self) -> tuple[tuple[str, float, float], ...]:
        """Each word, its beginning and its end (samples at RATE_HZ), estimated by its share of the letters."""
        begin, end = speech_bounds(self.sound, RATE_HZ)
        words = self.words.split()
        ends = np.cumsum([len(word) for word in words]) / max(sum(len(word) for word in words), 1)
        starts = [0.0, *ends[:-1]]
        span = end - begin
        return tuple((word, begin + a * span, begin + b * span) for word, a, b in zip(words, starts, ends, strict=True))


@dataclass(frozen=True)
class Found:
    """A recording found in a clip. It begins at sample `at` (at RATE_HZ; negative when the clip lacks its
    beginning)."""

    recording: Recording
    at: int
    correlation: float
    present: tuple[bool, ...]
    """For each 100 ms of the recording, whether it is in the clip."""

    @property
    def words(self) -> str:
        """The words of which more than half is in the clip."""
        return " ".join(word for word, begin, end in self.recording.times if self._there(begin, end))

    def _there(self, begin: float, end: float) -> bool:
        blocks = range(int(begin) // _BLOCK, max(int(begin) // _BLOCK + 1, -(-int(end) // _BLOCK)))
        there = [self.present[block] for block in blocks if block < len(self.present)]
        return 2 * sum(there) > len(there)


class Recordings:
    """All recordings that a service knows."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self.all: Sequence[Recording] = tuple(recordings)

    @classmethod
    def read(cls, path: Path) -> Recordings:
        """Read JSON lines: `{"words": "thank you", "wav": "/path/to.wav"}`."""
        lines = [json.loads(line) for line in path.read_text().splitlines() if line]
        wavs = [(line["words"], read_wav(Path(line["wav"]))) for line in lines]
        return cls(Recording(words, wav.pcm, wav.rate_hz) for words, wav in wavs)

    def hear(self, wav: bytes) -> str:
        """The words in a WAV, in order; empty when it contains none of the recordings."""
        clip = parse_wav(wav)
        return self.words(clip.pcm, clip.rate_hz)

    def words(self, pcm: bytes, rate_hz: int) -> str:
        return " ".join(found.words for found in self.find(pcm, rate_hz) if found.words)

    def find(self, pcm: bytes, rate_hz: int) -> list[Found]:
        """The recordings in a clip (int16, mono), in order of time."""
        clip = _bright(_samples(resample(pcm, from_hz=rate_hz, to_hz=RATE_HZ)))
        longest = max((len(recording.sound) for recording in self.all), default=0)
        size = 1 << (len(clip) + longest).bit_length()
        scores = _Scores(clip, size)
        found = [one for recording in self.all for one in scores.find(recording)]
        return sorted(_without_overlaps(found), key=lambda one: one.at)

    def speak(self, text: str, rate_hz: int) -> bytes | None:
        """The sound of `text` (int16, mono), joined from recordings or parts of them; None when that is impossible.

        A part of a recording is cut by its share of the letters, so the sounds of consecutive parts add up to the
        whole. When several recordings contain the text, the first one is used.
        """
        rest, sound = _letters(text), b""
        while rest:
            spoken = self._spoken(rest)
            if spoken is None:
                return None
            recording, begin, end = spoken
            pcm, letters = resample(recording.pcm, from_hz=recording.rate_hz, to_hz=rate_hz), _letters(recording.words)
            cuts = [2 * (len(pcm) // 2 * at // len(letters)) for at in (begin, end)]
            sound, rest = sound + pcm[cuts[0] : cuts[1]], rest[end - begin :]
        return sound or None

    def _spoken(self, letters: str) -> tuple[Recording, int, int] | None:
        """The recording, and its letters from and to, that speak the beginning of `letters`: all of them if a recording
        contains them, else as many as possible at the end of a recording."""
        for recording in self.all:
            if (begin := _letters(recording.words).find(letters)) >= 0:
                return recording, begin, begin + len(letters)
        ends = [(_overlap(_letters(recording.words), letters), -at) for at, recording in enumerate(self.all)]
        longest, at = max(ends, default=(0, 0))
        recording = self.all[-at]
        count = len(_letters(recording.words))
        return (recording, count - longest, count) if longest else None


def speech_bounds(sound: Sound, rate_hz: int) -> tuple[int, int]:
    """Where speech begins and ends, in samples: from the first to the last 10 ms within 35 dB of the loudest 10 ms."""
    step = rate_hz // 100
    levels = np.square(sound[: len(sound) // step * step].reshape(-1, step)).mean(axis=1)
    loud = np.flatnonzero(levels > levels.max(initial=0.0) * 10 ** (_SPEECH_DB / 10))
    return (int(loud[0]) * step, int(loud[-1] + 1) * step) if len(loud) else (0, 0)


class _Scores:
    """Correlates a clip with recordings at all positions."""

    def __init__(self, clip: Sound, size: int) -> None:
        self._clip, self._size = clip, size
        self._spectrum, self._powers = np.fft.rfft(clip, size), _running(clip)

    def find(self, recording: Recording) -> list[Found]:
        sound, scores = recording.bright, self._of(recording)
        found = []
        while len(scores) and scores.max() >= FOUND:
            best = int(np.argmax(scores))
            at = best + 1 - len(sound)
            found.append(Found(recording, at, float(scores[best]), _present(sound, self._clip, at)))
            scores[max(0, best - len(sound) // 2) : best + len(sound) // 2 + 1] = 0.0
        return found

    def _of(self, recording: Recording) -> Sound:
        """The correlation at each position, from the recording's last sample on the clip's first one to its first
        sample on the clip's last one."""
        sound, clip = recording.bright, self._clip
        product = np.fft.irfft(self._spectrum * recording.spectrum(self._size), self._size)
        lags = np.arange(1 - len(sound), len(clip))
        own = _running(sound)
        there = own[np.clip(len(clip) - lags, 0, len(sound))] - own[np.clip(-lags, 0, len(sound))]
        heard = self._powers[np.clip(lags + len(sound), 0, len(clip))] - self._powers[np.clip(lags, 0, len(clip))]
        scores: Sound = product[lags] / np.sqrt(np.maximum(there * heard, 1.0))
        scores[there < LEAST_SHARE * own[-1]] = 0.0
        return scores


def _without_overlaps(found: Sequence[Found]) -> list[Found]:
    """Keep, of the recordings found in the same place, the one with the highest correlation. The same words may have
    been recorded twice."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.correlation):
        begin, end = one.at, one.at + len(one.recording.sound)
        middle = (begin + end) // 2
        if not any(
            other.at < middle < other.at + len(other.recording.sound)
            or begin < other.at + len(other.recording.sound) // 2 < end
            for other in kept
        ):
            kept.append(one)
    return kept


def _present(sound: Sound, clip: Sound, at: int) -> tuple[bool, ...]:
    """For each block of the recording that begins at `at`, whether the clip contains it. The recording's own pauses
    count as contained."""
    quiet = np.square(sound).mean() * 10 ** (_SPEECH_DB / 10)
    present = []
    for begin in range(0, len(sound), _BLOCK):
        low, high = max(begin, -at), min(begin + _BLOCK, len(sound), len(clip) - at)
        if high - low < min(_BLOCK, len(sound) - begin) // 2:
            present.append(False)
            continue
        own, heard = sound[low:high], clip[low + at : high + at]
        scale = float(np.linalg.norm(own) * np.linalg.norm(heard))
        correlation = float(own @ heard) / scale if scale else 0.0
        present.append(correlation >= _BLOCK_FOUND or float(np.square(own).mean()) < quiet)
    return tuple(present)


def _running(sound: Sound) -> Sound:
    """The energy before each sample."""
    return np.concatenate([[0.0], np.cumsum(np.square(sound))])


def _bright(sound: Sound) -> Sound:
    """The sound without its lowest frequencies. Echo cancellers change the phase of those, not that of the others."""
    if not len(sound):
        return sound
    spectrum = np.fft.rfft(sound)
    spectrum[: len(sound) * _LOWEST_HZ // RATE_HZ] = 0.0
    return np.fft.irfft(spectrum, len(sound))


def _samples(pcm: bytes) -> Sound:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def _overlap(spoken: str, wanted: str) -> int:
    """The number of letters at the end of `spoken` that are also the beginning of `wanted`."""
    return next(
        (count for count in range(min(len(spoken), len(wanted)), 0, -1) if wanted.startswith(spoken[-count:])), 0
    )


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.casefold())
