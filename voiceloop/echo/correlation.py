"""A detector, by cross-correlation, of whether the microphone heard the loudspeaker. Pure.

Speech over a reply holds the reply. If that speech was the reply's own echo, it stops when the reply is held, and it is
a copy of what was played last, only later and quieter. A person's voice is never such a copy, whatever the words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

OWN_VOICE = 0.65
"""A clip with at least this correlation is an echo. In the hardest case, the first words of recorded prompts against
replies by the same speaker, the correlation is 0.18 (99 % below 0.5, at most 0.63); for a plain echo it is 0.99; for an
echo with much reverberation 0.5, which is left to the canceller (`tests/echo/test_correlation.py`)."""
_LOWEST_HZ = 500
"""Below this, rooms and cancellers shift the phase, and all voices are similar."""
_HIGHEST_HZ = 3_400
_RATE_HZ = CAPTURE_RATE_HZ // 2
"""Enough for those frequencies, and half of the work."""
_ENOUGH = 0.25
"""Lags count at which at least this share of the most energy of what was played overlaps the clip: a tiny overlap
correlates with anything."""


class Played:
    """What was played: int16, mono, 16 kHz. Clips of up to `longest` samples can be compared with it."""

    def __init__(self, pcm: bytes, *, longest: int) -> None:
        self._count = -(-len(pcm) // SAMPLE_BYTES * _RATE_HZ // CAPTURE_RATE_HZ)
        self._size = _smooth(self._count + longest * _RATE_HZ // CAPTURE_RATE_HZ + 1)
        self._spectrum = _band(pcm, self._size)
        sound = np.fft.irfft(self._spectrum, self._size)[: self._count]
        self._energy = np.concatenate([[0.0], np.cumsum(np.square(sound))])
        """Of the first samples, for each number of them."""

    def correlation(self, heard: bytes) -> float:
        """Return the largest normalised cross-correlation of `heard` (int16, mono, 16 kHz) with any part of what was
        played, from 0 to 1. Gain and delay play no part.
        """
        clip = -(-len(heard) // SAMPLE_BYTES * _RATE_HZ // CAPTURE_RATE_HZ)
        spectrum = _band(heard, self._size)
        energy = float(np.vdot(spectrum, spectrum).real) * 2 / self._size
        if not energy or not self._energy[-1]:
            return 0.0
        # For each place of the clip's first sample in what was played, or half a sample later.
        products = np.abs(np.fft.irfft(self._spectrum * spectrum.conj(), 2 * self._size)) * 2
        products = np.maximum(products[::2], products[1::2])
        # From place `1 - clip` on: the negative places come last.
        products = np.concatenate([products[self._size - clip + 1 :], products[: self._count]])
        energies = np.pad(self._energy, (clip - 1, clip - 1), mode="edge")
        overlap = energies[clip:] - energies[:-clip]
        enough = overlap > _ENOUGH * overlap.max()
        # Of a few samples the band's sound goes on beyond their end, which would give more than 1.
        return min(1.0, float(np.sqrt((np.square(products[enough]) / overlap[enough]).max() / energy)))


def correlation(*, heard: bytes, played: bytes) -> float:
    """Return the largest normalised cross-correlation of `heard` with any part of `played`, from 0 to 1. Both clips:
    int16, mono, 16 kHz. For several clips, make a `Played` once.
    """
    return Played(played, longest=len(heard) // SAMPLE_BYTES).correlation(heard)


def _band(pcm: bytes, size: int) -> NDArray[np.complex128]:
    """The spectrum of the sound at `_RATE_HZ`, with zeros up to `size` samples: only the frequencies that tell voices
    apart (500 to 3400 Hz)."""
    ratio = CAPTURE_RATE_HZ // _RATE_HZ
    spectrum = np.fft.rfft(np.frombuffer(pcm, "<i2"), size * ratio)[: size // 2 + 1] / ratio
    spectrum[: size * _LOWEST_HZ // _RATE_HZ] = 0.0
    spectrum[size * _HIGHEST_HZ // _RATE_HZ :] = 0.0
    return spectrum


def _smooth(count: int) -> int:
    """The next even number from `count` on that is quickly transformed: it has no prime factor over 5."""
    while True:
        rest = count
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1 and count % 2 == 0:
            return count
        count += 1
