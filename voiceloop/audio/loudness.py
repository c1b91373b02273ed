"""The loudness of a clip, hop by hop, and a simple speech detector based on it. Pure; needs no VAD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HOPS_PER_S = 100
"""A hop is 10 ms long."""
SILENCE_DBFS = -120.0
"""The lowest level that is reported."""
_BELOW_LOUDEST_DB = 30.0
"""A hop of speech is less than this below the clip's loudest hop."""
_ABOVE_FLOOR_DB = 6.0
"""A hop of speech is also more than this above the clip's quietest tenth, unless that is speech too."""


def levels_dbfs(pcm: bytes, rate_hz: int) -> NDArray[np.float64]:
    """Return the level of each complete hop of `pcm` (int16, mono), in dB relative to full scale; shape (hops,)."""
    hop = rate_hz // HOPS_PER_S
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    hops = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power = np.square(hops / 32768).mean(axis=1) if len(hops) else np.zeros(0)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (SILENCE_DBFS / 10))), dtype=np.float64)


def loud(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which hops are speech, judged by their levels only; shape (hops,)."""
    if not len(levels):
        return np.zeros(0, dtype=np.bool_)
    top, floor = float(levels.max()), float(np.percentile(levels, 10))
    least = max(top - _BELOW_LOUDEST_DB, min(floor + _ABOVE_FLOOR_DB, top - _ABOVE_FLOOR_DB))
    return np.asarray(levels > least, dtype=np.bool_)


def quietest(pcm: bytes, rate_hz: int, *, window_s: float) -> tuple[int, float]:
    """Return the middle (in samples) of the quietest `window_s` of `pcm`, and how far below the loudest hop it is (dB).

    Of equally quiet stretches the last one is taken. If the clip is shorter than `window_s`, its end is returned.
    """
    levels = levels_dbfs(pcm, rate_hz)
    hop, width = rate_hz // HOPS_PER_S, max(1, round(window_s * HOPS_PER_S))
    if len(levels) < width:
        return len(pcm) // 2, 0.0
    sums = np.convolve(10 ** (levels / 10), np.ones(width), "valid")
    at = len(sums) - 1 - int(np.argmin(sums[::-1]))
    depth = float(levels.max()) - 10 * float(np.log10(sums[at] / width))
    return (at * 2 + width) * hop // 2, depth
