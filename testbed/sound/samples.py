"""Makes sounds to play, and checks that they arrived."""

from __future__ import annotations

import math
import random
from array import array
from itertools import pairwise

PIECE = 60
"""Samples of noise in a piece: enough that no piece occurs twice."""


def noise(seconds: float, rate_hz: int, *, seed: int = 1) -> bytes:
    """Noise that never repeats, so that a dropped or repeated sample shows."""
    random_ = random.Random(seed)
    return array("h", [random_.randint(-9000, 9000) for _ in range(round(seconds * rate_hz))]).tobytes()


def tone(pitch_hz: int, seconds: float, rate_hz: int) -> bytes:
    return array(
        "h", [round(12000 * math.sin(2 * math.pi * pitch_hz * n / rate_hz)) for n in range(round(seconds * rate_hz))]
    ).tobytes()


def rises(pcm: bytes) -> int:
    """The number of upward zero crossings."""
    samples = array("h", pcm)
    return sum(a < 0 <= b for a, b in pairwise(samples))


def gaps(reply: bytes, heard: bytes) -> list[int]:
    """The gaps in `reply` as recorded in `heard`, in samples. Fails when some of the reply is missing or out of order.

    Only a piece with a gap inside may differ. On a busy machine the sound server sometimes has an underrun of a block,
    which loses no sound.
    """
    found = [(0, heard.index(reply[: 2 * PIECE]))]
    with_gap, slips = 0, []
    for start in range(2 * PIECE, len(reply) - 2 * PIECE, 2 * PIECE):
        before, at = found[-1]
        here = heard.find(reply[start : start + 2 * PIECE], at + 2 * PIECE)
        if here < 0:
            with_gap += 1
        else:
            slips.append(((here - at) - (start - before)) // 2)
            found.append((start, here))
    slips = [slip for slip in slips if slip]
    assert with_gap <= len(slips), "a piece is missing"
    assert all(slip > 0 for slip in slips), "something was cut out"
    return slips
