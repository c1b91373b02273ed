"""How much of a sound is missing in a recording of it, between two places. Pure: works on recorded bytes."""

from __future__ import annotations

from testbed.sound.comparing import place

PIECE_S = 0.2
"""The length of the pieces by which a place is found again."""
ALIKE = 0.7
"""The least correlation of a piece with its place in the recording."""


class Missing(Exception):
    """A piece of the sound is not in the recording."""


def holds_end(said: bytes, heard: bytes, rate_hz: int) -> bool:
    """Whether the recording has the last piece of the sound."""
    size = _size(rate_hz)
    return place(said[-size:], heard[-8 * size :])[1] > ALIKE


def missing(said: bytes, heard: bytes, rate_hz: int, *, after_s: float) -> int:
    """How many samples are missing in `heard` between `after_s` of the sound and its end; negative when silence was put
    in between. Both are int16 and mono at the same rate. Raises Missing.
    """
    size = _size(rate_hz)
    first = 2 * round(after_s * rate_hz)
    last = len(said) - size
    begin, end = (_place(said[at : at + size], heard, at / 2 / rate_hz) for at in (first, last))
    return round((last - first) / 2 - (end - begin))


def _place(piece: bytes, heard: bytes, at_s: float) -> float:
    at, score = place(piece, heard)
    if score < ALIKE:
        raise Missing(f"the piece at {at_s:.2f} s was not heard (correlation {score:.2f})")
    return at


def _size(rate_hz: int) -> int:
    return 2 * round(PIECE_S * rate_hz)
