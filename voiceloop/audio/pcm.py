"""Samples as bytes: alignment, mixing down, levels. Pure; int16 little-endian unless it says otherwise."""

from __future__ import annotations

import math
from array import array

from voiceloop.types import SAMPLE_BYTES

FULL_SCALE = 32768


class Aligner:
    """Hands on whole frames of samples, however the stream of bytes was cut.

    `channels`: how many samples stay together.
    """

    def __init__(self, channels: int = 1) -> None:
        self._size = SAMPLE_BYTES * channels
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """What is whole of everything fed so far and not yet given."""
        data = self._rest + chunk
        whole = len(data) - len(data) % self._size
        self._rest = data[whole:]
        return data[:whole]

    @property
    def rest(self) -> int:
        """How many bytes wait for the rest of their sample; at the end of a stream they are worthless."""
        return len(self._rest)


def mix_down(pcm: bytes, channels: int) -> bytes:
    """The mean of interleaved `channels` (whole frames) as mono."""
    if channels == 1:
        return pcm
    samples = array("h", pcm)
    parts = [samples[channel::channels] for channel in range(channels)]
    return array("h", [sum(frame) // channels for frame in zip(*parts, strict=True)]).tobytes()


def level_dbfs(pcm: bytes) -> float:
    """The RMS level in dB under full scale (a full-scale square wave is 0); -inf for digital silence or nothing."""
    samples = memoryview(pcm).cast("h")
    power = sum(s * s for s in samples)
    return 10 * math.log10(power / len(samples)) - 20 * math.log10(FULL_SCALE) if power else -math.inf


def peak(pcm: bytes) -> float:
    """The largest sample's size, 0 to 1."""
    return max((abs(s) for s in memoryview(pcm).cast("h")), default=0) / FULL_SCALE
