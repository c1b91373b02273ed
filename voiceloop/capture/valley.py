"""A search for the quietest moment in a stretch of speech, where it can be cut."""

from __future__ import annotations

from array import array
from operator import mul

from voiceloop.audio.tape import Tape
from voiceloop.types import CAPTURE_RATE_HZ

_BLOCK = CAPTURE_RATE_HZ // 100
_SPAN = 12
"""Blocks over which the energy is averaged: 120 ms, longer than the closure of a stop consonant inside a word."""


class Valley:
    """Follows the energy from the sample `start` on, and knows the quietest moment so far.

    The energy is averaged over 120 ms in steps of 10 ms. The steps are aligned to `start`, so the result doesn't depend
    on how the audio was cut into frames. Of equally quiet moments the last one wins. `cut` only moves forward.
    """

    __slots__ = ("_blocks", "_lowest", "_next", "cut")

    def __init__(self, start: int) -> None:
        self._next = start
        self._blocks: list[int] = []
        self._lowest: int | None = None
        self.cut = start
        """The middle of the quietest moment so far: a sample index."""

    def follow(self, tape: Tape, end: int) -> None:
        """Examine the tape's samples up to the index `end`."""
        while self._next + _BLOCK <= end:
            samples = array("h", tape.between(self._next, self._next + _BLOCK))
            self._next += _BLOCK
            self._blocks = [*self._blocks[1 - _SPAN :], sum(map(mul, samples, samples))]
            if len(self._blocks) < _SPAN:
                continue
            energy = sum(self._blocks)
            if self._lowest is None or energy <= self._lowest:
                self._lowest = energy
                self.cut = self._next - _SPAN // 2 * _BLOCK
