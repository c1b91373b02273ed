"""Compares a recording with the noise that was played: to the bit, or as it sounds after resampling.

Noise never repeats, so that a piece which was dropped, repeated or moved shows. Sounds are int16 and mono.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from testbed.sound.match import samples
from testbed.sound.samples import PIECE, gaps

_FINER = 4
"""After resampling a sound begins between two samples. At this part of a sample it is found."""
_ALIKE = 0.7
"""The correlation of a piece with itself after resampling is 0.9, with other noise at most 0.4."""
_LONG = 240
"""Samples of a piece that is recognised after resampling. Fewer would be taken for others; with more of them a gap at
the sound's end more often falls into its last piece, which is not found then."""
_SOUNDS = 0.2
"""The part of the recording's greatest power that a place must have to be compared in full."""
_DROPPED = 2
"""Pieces a second that may be missing. On a busy machine PipeWire is late for a cycle now and then, and replaces its
256 samples by silence, on the way to the loudspeaker or to the recorder. What a program loses shows on PulseAudio, to
the bit."""
_REACH = 24_000
"""How far behind its place a piece is looked for, in samples."""


class Comparing(Protocol):
    def holds(self, piece: bytes, heard: bytes) -> bool:
        """Whether `heard` holds the whole piece, of at least 240 samples."""
        ...

    def ends(self, wanted: bytes, heard: bytes) -> bool:
        """Whether `heard` holds the end of `wanted`."""
        ...

    def gaps(self, wanted: bytes, heard: bytes) -> list[int]:
        """The gaps in `wanted` as recorded in `heard`, in samples. Fails when some is missing or out of order."""
        ...


class Exact:
    """Sound that passes unchanged to the bit."""

    def holds(self, piece: bytes, heard: bytes) -> bool:
        return piece in heard

    def ends(self, wanted: bytes, heard: bytes) -> bool:
        return wanted[-4 * PIECE :] in heard

    def gaps(self, wanted: bytes, heard: bytes) -> list[int]:
        return gaps(wanted, heard)


class Resampled:
    """Sound that passes through a server which runs at another rate, and at another volume."""

    def holds(self, piece: bytes, heard: bytes) -> bool:
        return place(piece, heard)[1] > _ALIKE

    def ends(self, wanted: bytes, heard: bytes) -> bool:
        # The last piece may be one of those that are dropped: then the one before it tells when the end has passed.
        recent = heard[-2 * _REACH :]
        for after in range(_DROPPED + 1):
            end = len(wanted) - 2 * after * _LONG
            at, score = place(wanted[max(0, end - 2 * _LONG) : end], recent)
            if score > _ALIKE:
                return len(recent) // 2 - at >= (after + 1) * _LONG
        return False

    def gaps(self, wanted: bytes, heard: bytes) -> list[int]:
        dropped = _DROPPED * math.ceil(len(wanted) // 2 / _REACH)
        with_gap, first = _beginning(wanted, heard, dropped)
        begun = with_gap * _LONG
        slips, before = [], (begun, first)
        for start in range(begun + _LONG, len(wanted) // 2 - _LONG + 1, _LONG):
            due = round(before[1]) + start - before[0]
            # From its place, or a bit before it: what comes much too early has something cut out before it.
            begin = max(0, due - _LONG)
            piece = wanted[2 * start : 2 * (start + _LONG)]
            at, score = place(piece, heard[2 * begin : 2 * (due + _LONG + _REACH)])
            if score > _ALIKE:
                slips.append(round(begin + at - due))
                before = (start, begin + at)
            else:
                with_gap += 1
        slips = [slip for slip in slips if abs(slip) > 1]
        assert with_gap <= len(slips) + dropped, f"{with_gap} pieces are missing, at {len(slips)} gaps"
        assert all(slip > 0 for slip in slips), f"something was cut out: {slips}"
        return slips


def _beginning(wanted: bytes, heard: bytes, dropped: int) -> tuple[int, float]:
    """The first piece of `wanted` that `heard` holds, and its place there, in samples. At most `dropped` may be missing
    before it."""
    found = 0.0
    for number in range(dropped + 1):
        at, score = place(wanted[2 * number * _LONG : 2 * (number + 1) * _LONG], heard)
        if score > _ALIKE:
            return number, at
        found = max(found, score)
    raise AssertionError(f"the beginning is missing ({found:.2f})")


def place(piece: bytes, heard: bytes) -> tuple[float, float]:
    """The place in `heard` where `piece` fits best, in samples and parts of one, and their correlation there."""
    wanted, recorded = samples(piece), samples(heard)
    if len(recorded) < len(wanted):
        return 0.0, 0.0
    size = 1 << (len(recorded) + len(wanted)).bit_length()
    product = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(wanted, size))
    sums = np.concatenate([[0.0], np.cumsum(recorded**2)])
    powers = sums[len(wanted) :] - sums[: -len(wanted)]
    # What is almost silent has some likeness to everything.
    scale = np.sqrt(np.maximum(powers, max(len(wanted), _SOUNDS * powers.max()))) * float(np.linalg.norm(wanted))

    def best(finer: int) -> tuple[float, float]:
        scores = finer * np.fft.irfft(product, finer * size)[: finer * (len(scale) - 1) + 1]
        scores /= scale.repeat(finer)[: len(scores)]
        at = int(np.argmax(scores))
        return at / finer, float(scores[at])

    rough = best(1)
    return best(_FINER) if rough[1] > _ALIKE / 2 else rough  # half a sample beside its place it is 0.58
