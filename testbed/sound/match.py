"""Finds a known sound in a recording, and measures the gaps in it. Sounds are int16, mono, at the same rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.05


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def find(reference: bytes, heard: bytes) -> tuple[int, float]:
    """The sample of `heard` where `reference` begins, and their normalised cross-correlation there (1: equal)."""
    wanted, recorded = samples(reference), samples(heard)
    recorded = np.pad(recorded, (0, len(wanted)))  # the recording may end before the reference's last silence
    size = 1 << (len(recorded) + len(wanted)).bit_length()
    product = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(wanted, size))
    scores = np.fft.irfft(product, size)[: len(recorded) - len(wanted) + 1]
    at = int(np.argmax(scores))
    there = recorded[at : at + len(wanted)]
    scale = float(np.linalg.norm(there) * np.linalg.norm(wanted))
    return at, float(scores[at]) / scale if scale else 0.0


def pieces(reference: bytes, heard: bytes, rate_hz: int) -> list[tuple[int, float]]:
    """For each 50 ms of voice in `reference`: how far it lies from its place in `heard`, in samples, and its
    correlation there (1: equal). It is searched for within 0.5 s of where it should be if there were no gap.
    """
    wanted, recorded = samples(reference), samples(heard)
    window, reach = round(WINDOW_S * rate_hz), rate_hz // 2
    loud = np.abs(wanted).max() / 20
    begin, _ = find(reference, heard)
    found = []
    for at in range(0, len(wanted) - window, window):
        piece = wanted[at : at + window]
        if np.abs(piece).max() < loud:
            continue
        low = max(0, begin + at - reach)
        place = recorded[low : begin + at + reach + window]
        scores = np.correlate(place, piece, "valid")
        powers = np.convolve(place**2, np.ones(window), "valid")
        scores = scores / np.sqrt(np.maximum(powers, 1.0))
        best = int(np.argmax(scores))
        found.append((low + best - at, float(scores[best] / np.linalg.norm(piece))))
    return found


def in_order(offsets: Sequence[int]) -> list[int]:
    """As many of the offsets as go forward, by -1 sample or more from each to the next."""
    longest: list[list[int]] = []
    for offset in offsets:
        before = [one for one in longest if one[-1] <= offset + 1]
        longest.append([*max(before, key=len, default=[]), offset])
    return max(longest, key=len, default=[])


def longest_gap_s(reference: bytes, heard: bytes, rate_hz: int) -> float:
    """The longest time by which pieces of `reference` lie further apart in `heard` than they should, as after a gap."""
    offsets = [offset for offset, _ in pieces(reference, heard, rate_hz)]
    return (max(offsets) - min(offsets)) / rate_hz


def first_sound(heard: bytes, *, above: int = 200) -> int | None:
    """The first sample louder than `above` (of 32768); None in silence."""
    loud = np.flatnonzero(np.abs(samples(heard)) > above)
    return int(loud[0]) if len(loud) else None


def last_sound(heard: bytes, *, above: int = 200) -> int | None:
    """The last sample louder than `above` (of 32768); None in silence."""
    loud = np.flatnonzero(np.abs(samples(heard)) > above)
    return int(loud[-1]) if len(loud) else None
