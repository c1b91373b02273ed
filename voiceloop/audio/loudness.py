"""How loud a clip is, piece by piece, and where in it somebody speaks. Pure; knows no VAD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOPS_PER_S = 100
"""Levels are of 10 ms each."""
SILENCE_DBFS = -120.0
_BELOW_LOUDEST_DB = 30.0
"""Speech is what is less than this below the clip's loudest hop."""
_ABOVE_FLOOR_DB = 6.0
"""And more than this above its quietest tenth, where that is not speech too."""


def levels_dbfs(pcm: bytes, rate_hz: int) -> NDArray[np.float64]:
    """The level of each whole hop of `pcm` (int16, mono), in dB of full scale."""
    hop = rate_hz // HOPS_PER_S
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    hops = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power = np.square(hops / 32768).mean(axis=1) if len(hops) else np.zeros(0)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DBFS / 10))), dtype=np.float64)


def loud(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which hops are speech, judged by the clip alone."""
    if not len(levels):
        return np.zeros(0, dtype=np.bool_)
    top, floor = float(levels.max()), float(np.percentile(levels, 10))
    least = max(top - _BELOW_LOUDEST_DB, min(floor + _ABOVE_FLOOR_DB, top - _ABOVE_FLOOR_DB))
    return np.asarray(levels > least, dtype=np.bool_)


def quietest(pcm: bytes, rate_hz: int, *, window_s: float) -> tuple[int, float]:
    """The middle (in samples) of the quietest `window_s` of `pcm`, and how far below the loudest hop it is (dB).

    Of equally quiet ones the last; the end of the clip where it is shorter than that.
    """
    levels = levels_dbfs(pcm, rate_hz)
    hop, width = rate_hz // HOPS_PER_S, max(1, round(window_s * HOPS_PER_S))
    if len(levels) < width:
        return len(pcm) // 2, 0.0
    sums = np.convolve(10 ** (levels / 10), np.ones(width), "valid")
    at = len(sums) - 1 - int(np.argmin(sums[::-1]))
    depth = float(levels.max()) - 10 * float(np.log10(sums[at] / width))
    return (at * 2 + width) * hop // 2, depth
