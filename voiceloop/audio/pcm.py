"""Functions for samples as bytes: alignment, mixing down, levels. Pure; samples are int16 little-endian."""

from __future__ import annotations

import math
from array import array

from voiceloop.types import SAMPLE_BYTES

FULL_SCALE = 32768


class Aligner:
    """Cuts a stream of bytes at sample boundaries, however it was cut before.

    `channels`: how many interleaved samples stay together.
    """

    def __init__(self, channels: int = 1) -> None:
        self._size = SAMPLE_BYTES * channels
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return the complete samples not returned before."""
        data = self._rest + chunk
        complete = len(data) - len(data) % self._size
        self._rest = data[complete:]
        return data[:complete]

    @property
    def rest(self) -> int:
        """How many bytes of an incomplete sample are held. At the end of a stream they are worthless."""
        return len(self._rest)


def mix_down(pcm: bytes, channels: int) -> bytes:
    """Return the mean of `channels` interleaved channels as mono. `pcm` must hold complete frames."""
    if channels == 1:
        return pcm
    samples = array("h", pcm)
    parts = [samples[channel::channels] for channel in range(channels)]
    return array("h", [sum(frame) // channels for frame in zip(*parts, strict=True)]).tobytes()


def level_dbfs(pcm: bytes) -> float:
    """Return the RMS level in dBFS (a full-scale square wave is 0); -inf for digital silence or an empty clip."""
    samples = memoryview(pcm).cast("h")
    power = sum(s * s for s in samples)
    return 10 * math.log10(power / len(samples)) - 20 * math.log10(FULL_SCALE) if power else -math.inf


def peak(pcm: bytes) -> float:
    """Return the largest absolute sample value, from 0 to 1."""
    return max((abs(s) for s in memoryview(pcm).cast("h")), default=0) / FULL_SCALE
