"""A filter that learns how a room turns the far end into an echo: partitioned blocks, a Kalman filter for each. Numpy.

    far end --> FarSpectra --> KalmanFilter.echo --> estimated echo
                                    ^
                                    +-- learn <-- what is left of the near end without that echo

Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free telephones", Signal
Processing 86, 2006; partitioned by Kuech, Mabande and Enzner, "State-space architecture of the partitioned-block-based
acoustic echo controller", ICASSP 2014. For each frequency the filter knows how sure it is of the room, and how loud
everything but the echo is. So it needs no step size, and no detector that stops it while a person speaks.

All sound has 16 kHz and full scale 1; a step is a block of 10 ms. Spectra are those of two blocks, 161 bins of 50 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 160
"""10 ms at 16 kHz."""
_BINS = BLOCK + 1
_TINY = np.float32(1e-9)

Samples = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Powers = NDArray[np.float32]


def power_of(spectrum: NDArray[np.complexfloating]) -> NDArray[np.floating]:
    """The squared magnitude: faster than by `np.abs`, which takes the root."""
    return spectrum.real**2 + spectrum.imag**2


class FarSpectra:
    """The spectra of the far end's last blocks, and their powers: shape (`count`, 161), the newest first."""

    def __init__(self, count: int) -> None:
        self.spectra: Spectra = np.zeros((count, _BINS), np.complex64)
        self.powers: Powers = np.zeros((count, _BINS), np.float32)
        self._samples = np.zeros(2 * BLOCK, np.float32)

    def add(self, samples: Samples) -> None:
        """Take the next 160 samples."""
        self._samples[:BLOCK] = self._samples[BLOCK:]
        self._samples[BLOCK:] = samples
        self.spectra[1:] = self.spectra[:-1]
        self.spectra[0] = np.fft.rfft(self._samples)
        self.powers[1:] = self.powers[:-1]
        self.powers[0] = power_of(self.spectra[0])


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a use of the filter wants."""

    keeps: float
    """How much of what was learned still holds a step later, as an amplitude. Clocks drift, and people move."""
    first_doubt: float
    """How unsure the filter is at first. More learns a loud echo faster, and a faint one worse."""
    first_other: float
    """How loud everything but the echo is taken to be at first, as a power for each frequency. More learns later."""
    smooth: float
    """How slowly the power of everything but the echo is followed, from 0 to 1."""
    caution: float
    """Times that power: more learns less beside other sound."""
    sudden: float
    """The least share of what is left in this step that is other sound. Above 0 a voice's onset teaches less."""
    cut: float
    """How many parts a step are cut back to the taps of a block. More taps would be circular; cutting all of them each
    time gains nothing."""


class KalmanFilter:
    """Filters the far end as the room does. `parts`: how many blocks long its response is."""

    def __init__(self, parts: int, tuning: Tuning) -> None:
        self._tuning, self._parts = tuning, parts
        self._keeps = np.float32(tuning.keeps**2)
        self._weights: Spectra = np.zeros((parts, _BINS), np.complex64)
        self._doubt: Powers = np.full((parts, _BINS), tuning.first_doubt, np.float32)
        self._other = np.full(_BINS, tuning.first_other, np.float32)  # the power of all that is not the echo
        self._padded = np.zeros(2 * BLOCK, np.float32)
        self._cut = 0.0

    def echo(self, spectra: Spectra) -> Samples:
        """Return 10 ms of the echo of the far end (shape: parts, 161)."""
        return np.fft.irfft(np.einsum("pb,pb->b", spectra, self._weights))[BLOCK:].astype(np.float32)

    def learn(self, left: Samples, spectra: Spectra, powers: Powers) -> None:
        """Learn from 10 ms that `echo` left of the near end, for the same far end."""
        tuning = self._tuning
        self._padded[BLOCK:] = left
        error = np.fft.rfft(self._padded).astype(np.complex64)
        power = power_of(error)
        self._other = tuning.smooth * self._other + (1 - tuning.smooth) * power
        other = np.maximum(self._other, tuning.sudden * power) if tuning.sudden else self._other
        # The whole of what the doubt explains, although half of a window is the block before: with half of it the step
        # would be at the limit of stability, and the first second louder than an echo, also where there is none.
        explained = np.einsum("pb,pb->b", powers, self._doubt)
        gain = self._doubt / (explained + np.float32(tuning.caution) * other + _TINY)
        self._weights += gain * spectra.conj() * error
        self._doubt *= self._keeps * (1 - np.float32(0.5) * gain * powers)  # 0.5: the same half of a window
        self._doubt += (1 - self._keeps) * (power_of(self._weights) + _TINY)
        self._cut_next()

    def move(self, by: int) -> None:
        """From now on the far end is read so many steps later: what was learned moves along."""
        kept = max(0, self._parts - abs(by))
        old, new = slice(self._parts - kept, None), slice(0, kept)
        if by < 0:
            old, new = new, old
        doubt = self._doubt.min(0) if kept else self._tuning.first_doubt
        for array, unknown in ((self._weights, 0.0), (self._doubt, doubt)):
            moved = np.empty_like(array)
            moved[:] = unknown
            moved[new] = array[old]
            array[:] = moved

    def _cut_next(self) -> None:
        first, end = int(self._cut), int(self._cut + self._tuning.cut)
        self._cut = (self._cut + self._tuning.cut) % self._parts
        if first < end:
            taps = np.fft.irfft(self._weights[first:end])
            taps[:, BLOCK:] = 0
            self._weights[first:end] = np.fft.rfft(taps)
