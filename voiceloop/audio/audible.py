"""Audibility: where sound becomes audible, in a clip and in a stream. Pure, and without NumPy, which takes memory.

Sound is judged in hops of 10 ms, counted from the first sample (the last hop may be shorter):

    pcm      . . . . | . . : . | . : | | | | | | | | | :
    hops      silent    silent   audible   audible
                                ^ the answer: the first sample of the first audible hop

A hop is audible if its RMS is over -50 dBFS and within 40 dB of the peak. So neither the noise floor of a recording nor
the dither of a synthesizer counts as sound. All samples are int16, mono; RMS and peak relate to full scale (1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import mul
from typing import NamedTuple

from voiceloop.types import SAMPLE_BYTES

FLOOR_DBFS = -50.0
"""A hop whose RMS is at most this is silent."""
RANGE_DB = 40.0
"""A hop whose RMS is this much below the peak, or more, is silent."""
_FULL_SCALE = 32768
_HOPS_PER_S = 100
_FLOOR = 10 ** (FLOOR_DBFS / 20)
_RANGE = 10 ** (-RANGE_DB / 20)


def is_audible(rms: float, peak: float) -> bool:
    """Whether sound of this RMS is audible in a clip whose loudest sample is `peak` (0 to 1 of full scale)."""
    return rms > _FLOOR and rms > peak * _RANGE


def first_audible(pcm: bytes, rate_hz: int) -> int | None:
    """Where a clip becomes audible: the index of a sample, at most 10 ms before the sound. None if it never does."""
    hop = _hop_bytes(rate_hz)
    levels = [_level(pcm[at : at + hop]) for at in range(0, len(pcm), hop)]
    peak = max((level.peak for level in levels), default=0.0)
    found = (n for n, level in enumerate(levels) if is_audible(level.rms, peak))
    return next((n * hop // SAMPLE_BYTES for n in found), None)


class Run(NamedTuple):
    """Consecutive samples that are all audible, or all silent."""

    pcm: bytes
    audible: bool


class AudibleRuns:
    """Divides a stream of sound into silent and audible runs.

    How the stream is cut into pieces does not change the runs, joined where neighbours are alike. A sample is returned
    at most 10 ms of sound later, and nothing else is kept.

    A stream's peak is not known before its end. The peak so far is used instead: it is lower, so a stream is audible no
    later than `first_audible` says of the whole, and earlier only where it begins with sound between -50 dBFS and 40 dB
    below its peak. That sound is kept: it may be a weak consonant as well as noise.
    """

    def __init__(self, rate_hz: int) -> None:
        self._hop = _hop_bytes(rate_hz)
        self._rest = b""
        self._peak = 0.0

    def feed(self, pcm: bytes) -> list[Run]:
        """Take the next samples; return the runs that are certain now."""
        data = self._rest + pcm
        complete = len(data) - len(data) % self._hop
        self._rest = data[complete:]
        return list(self._runs(data[:complete]))

    def finish(self) -> list[Run]:
        """End the stream; return its last hop, if it was incomplete. Another stream may be fed afterwards."""
        runs = list(self._runs(self._rest))
        self._rest, self._peak = b"", 0.0
        return runs

    def _runs(self, pcm: bytes) -> Iterator[Run]:
        begin, last = 0, False
        for at in range(0, len(pcm), self._hop):
            level = _level(pcm[at : at + self._hop])
            self._peak = max(self._peak, level.peak)
            audible = is_audible(level.rms, self._peak)
            if audible is not last and at:
                yield Run(pcm[begin:at], last)
                begin = at
            last = audible
        if pcm:
            yield Run(pcm[begin:], last)


class _Level(NamedTuple):
    rms: float
    peak: float


def _level(pcm: bytes) -> _Level:
    samples = memoryview(pcm).cast("h").tolist()
    peak = max(map(abs, samples)) / _FULL_SCALE
    if peak <= _FLOOR:  # as quiet as that, the RMS can't be over the floor
        return _Level(0.0, peak)
    return _Level(math.sqrt(sum(map(mul, samples, samples)) / len(samples)) / _FULL_SCALE, peak)


def _hop_bytes(rate_hz: int) -> int:
    return max(1, rate_hz // _HOPS_PER_S) * SAMPLE_BYTES
