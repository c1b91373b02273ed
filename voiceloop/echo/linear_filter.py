"""A linear echo filter: what is left of the microphone without any echo that is a filtered copy of the far end. Numpy.

WebRTC's canceller hands out its output only, after a suppressor that takes a person away together with an echo as loud
as they are. This filter has no suppressor: it leaves more of the echo, and everything of the person.

It is a partitioned-block frequency-domain Kalman filter (Enzner and Vary, "Frequency-domain adaptive Kalman filter for
acoustic echo control in hands-free telephones", Signal Processing 86, 2006; partitioned by Kuech, Mabande and Enzner,
ICASSP 2014). For each frequency it knows how sure it is of the room, so it needs no step size, and no detector that
stops it while a person speaks.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from voiceloop.echo.echo_power import FILTERED, LAGS, power_of
from voiceloop.types import CAPTURE_RATE_HZ

_BLOCK = CAPTURE_RATE_HZ // 100
_SIZE = 2 * _BLOCK
_BINS = _BLOCK + 1
_KEEPS = 0.994**2
"""How much of what was learned still holds a step later. Clocks drift, and people move."""
_SMOOTH = 0.8
_FIRST_DOUBT = 0.5
_TINY = np.float32(1e-9)
_FULL = 32768
_TAPS = 24
"""Of the resampler, to each side, at the far end's rate."""

Samples = NDArray[np.float32]


class LinearFilter:
    """Take each 10 ms of both ends with `feed`; it returns what is left of the near end."""

    def __init__(self) -> None:
        self._far = np.zeros(0, np.float32)  # the last two blocks, at their own rate
        self._before = np.zeros(_BLOCK, np.float32)
        self._spectra = np.zeros((LAGS + FILTERED, _BINS), np.complex64)  # of the far end, the newest first
        self._powers = np.zeros((LAGS + FILTERED, _BINS), np.float32)
        self._weights = np.zeros((FILTERED, _BINS), np.complex64)
        self._doubt = np.full((FILTERED, _BINS), _FIRST_DOUBT, np.float32)
        self._other = np.ones(_BINS, np.float32)  # the power of all that is not the echo
        self._padded = np.zeros(_SIZE, np.float32)
        self._lag: int | None = None
        self._turn = 0

    def feed(self, near: Samples, far: Samples, lag: int | None) -> Samples:
        """Take 10 ms of the near end (160 samples of int16's range) and of the far end (at any rate), and by how many
        steps the echo comes later at least; None: not known. Return what is left of the near end, of the same size.
        """
        self._take(far)
        if lag is None:
            return near
        if lag != self._lag:
            self._move(0 if self._lag is None else lag - self._lag)
            self._lag = lag
        spectra, powers = self._spectra[lag : lag + FILTERED], self._powers[lag : lag + FILTERED]
        echo = np.fft.irfft(np.einsum("pb,pb->b", spectra, self._weights))[_BLOCK:]
        left = near * np.float32(1 / _FULL) - echo.astype(np.float32)
        self._learn(left, spectra, powers)
        return left * np.float32(_FULL)

    @property
    def far_spectrum(self) -> NDArray[np.complex64]:
        """The spectrum of the last 20 ms of the far end, under a Hann window: 161 bins of 50 Hz, full scale is 1."""
        rectangular = self._spectra[0]
        windowed = rectangular / 2
        windowed[1:-1] -= (rectangular[:-2] + rectangular[2:]) / 4
        return np.asarray(windowed, np.complex64)

    def _take(self, far: Samples) -> None:
        if len(self._far) != len(far) * 2:
            self._far = np.zeros(len(far) * 2, np.float32)
        self._far = np.concatenate([self._far[len(far) :], far])
        resampled = _resampling(len(far)) @ self._far
        self._spectra[1:] = self._spectra[:-1]
        self._spectra[0] = np.fft.rfft(np.concatenate([self._before, resampled]))
        self._powers[1:] = self._powers[:-1]
        self._powers[0] = power_of(self._spectra[0])
        self._before = resampled

    def _learn(self, left: Samples, spectra: NDArray[np.complex64], powers: NDArray[np.float32]) -> None:
        self._padded[_BLOCK:] = left
        error = np.fft.rfft(self._padded).astype(np.complex64)
        self._other = _SMOOTH * self._other + (1 - _SMOOTH) * power_of(error)
        gain = self._doubt / (np.einsum("pb,pb->b", powers, self._doubt) + 2 * self._other + _TINY)
        self._weights += gain * spectra.conj() * error
        self._doubt *= _KEEPS * (1 - 0.5 * gain * powers)
        self._doubt += (1 - _KEEPS) * (power_of(self._weights) + _TINY)
        # A part has as many taps as a block: more would be circular. Cutting all of them each time would gain nothing.
        self._turn = (self._turn + 1) % (2 * FILTERED)
        part, later = divmod(self._turn, 2)
        if not later:
            taps = np.fft.irfft(self._weights[part])
            taps[_BLOCK:] = 0
            self._weights[part] = np.fft.rfft(taps)

    def _move(self, by: int) -> None:
        """The far end is read by so many steps later: what was learned moves along."""
        kept = max(0, FILTERED - abs(by))
        old, new = slice(FILTERED - kept, None), slice(0, kept)
        if by < 0:
            old, new = new, old
        for array, unknown in ((self._weights, 0.0), (self._doubt, self._doubt.min(0) if kept else _FIRST_DOUBT)):
            moved = np.empty_like(array)
            moved[:] = unknown
            moved[new] = array[old]
            array[:] = moved


@cache
def _resampling(size: int) -> NDArray[np.float32]:
    """From the last two blocks of `size` samples to a block of 160, `_TAPS` samples late."""
    ratio = size / _BLOCK
    cut = min(1.0, 1 / ratio) * 0.95
    at = size + np.arange(_BLOCK) * ratio - _TAPS
    apart = at[:, None] - np.arange(2 * size)[None, :]
    window = np.where(np.abs(apart) < _TAPS, 0.5 + 0.5 * np.cos(np.pi * apart / _TAPS), 0)
    return np.asarray(cut * np.sinc(cut * apart) * window / _FULL, np.float32)
