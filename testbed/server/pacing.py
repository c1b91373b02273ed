"""Cuts a streamed answer into chunks, and decides when each chunk is sent. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate

Seed = tuple[int, int]
"""The script's seed and the request's number: another run with the same seed gives the same result."""
_ODD = range(1201, 3602, 2)
"""The sizes in bytes of odd pieces: 25 to 75 ms of sound at 24 kHz."""


def pieces(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[at : at + size] for at in range(0, len(body), size))


def odd_pieces(body: bytes, seed: Seed) -> tuple[bytes, ...]:
    """Pieces of odd numbers of bytes; the last piece is the rest."""
    chance = _random(seed)
    cuts, at = [], 0
    while at < len(body):
        size = chance.choice(_ODD)
        cuts.append(body[at : at + size])
        at += size
    return tuple(cuts)


def at_pace(parts: Sequence[bytes], bytes_a_second: float) -> tuple[float, ...]:
    """When each piece is sent, in seconds from the first; all at once for a pace of 0."""
    if not bytes_a_second:
        return ()
    before = accumulate((len(part) for part in parts), initial=0)
    return tuple(count / bytes_a_second for _, count in zip(parts, before, strict=False))


def late(due_s: Sequence[float], jitter_s: float, seed: Seed) -> tuple[float, ...]:
    """Delay each piece by 0 to `jitter_s`, at random; no piece is sent before the one in front of it."""
    if not jitter_s:
        return tuple(due_s)
    chance = _random(seed)
    return tuple(accumulate((due + chance.uniform(0, jitter_s) for due in due_s), max))


def _random(seed: Seed) -> random.Random:
    return random.Random(f"{seed}")
