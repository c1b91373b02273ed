"""A linear echo filter: what is left of the microphone without any echo that is a filtered copy of the far end. Numpy.

WebRTC's canceller hands out its output only, after a suppressor that takes a person away together with an echo as loud
as they are. This filter has no suppressor: it leaves more of the echo, and everything of the person.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from voiceloop.echo.echo_power import FILTERED, LAGS
from voiceloop.echo.kalman import BLOCK, FarSpectra, KalmanFilter, Samples, Tuning

_TUNING = Tuning(keeps=0.994, first_doubt=0.5, first_other=1.0, smooth=0.8, caution=2.0, sudden=0.0, cut=0.5)
_FULL = 32768
_TAPS = 24
"""Of the resampler, to each side, at the far end's rate."""


class LinearFilter:
    """Take each 10 ms of both ends with `feed`; it returns what is left of the near end."""

    def __init__(self) -> None:
        self._played = np.zeros(0, np.float32)  # the last two blocks, at their own rate
        self._far = FarSpectra(LAGS + FILTERED)
        self._filter = KalmanFilter(FILTERED, _TUNING)
        self._lag: int | None = None

    def feed(self, near: Samples, far: Samples, lag: int | None) -> Samples:
        """Take 10 ms of the near end (160 samples of int16's range) and of the far end (at any rate), and by how many
        steps the echo comes later at least; None: not known. Return what is left of the near end, of the same size.
        """
        self._take(far)
        if lag is None:
            return near
        if lag != self._lag:
            self._filter.move(0 if self._lag is None else lag - self._lag)
            self._lag = lag
        spectra, powers = self._far.spectra[lag : lag + FILTERED], self._far.powers[lag : lag + FILTERED]
        left = near * np.float32(1 / _FULL) - self._filter.echo(spectra)
        self._filter.learn(left, spectra, powers)
        return left * np.float32(_FULL)

    @property
    def far_spectrum(self) -> NDArray[np.complex64]:
        """The spectrum of the last 20 ms of the far end, under a Hann window: 161 bins of 50 Hz, full scale is 1."""
        rectangular = self._far.spectra[0]
        windowed = rectangular / 2
        windowed[1:-1] -= (rectangular[:-2] + rectangular[2:]) / 4
        return np.asarray(windowed, np.complex64)

    def _take(self, far: Samples) -> None:
        if len(self._played) != len(far) * 2:
            self._played = np.zeros(len(far) * 2, np.float32)
        self._played = np.concatenate([self._played[len(far) :], far])
        self._far.add(_resampling(len(far)) @ self._played)


@cache
def _resampling(size: int) -> NDArray[np.float32]:
    """From the last two blocks of `size` samples to a block of 160, `_TAPS` samples late."""
    ratio = size / BLOCK
    cut = min(1.0, 1 / ratio) * 0.95
    at = size + np.arange(BLOCK) * ratio - _TAPS
    apart = at[:, None] - np.arange(2 * size)[None, :]
    window = np.where(np.abs(apart) < _TAPS, 0.5 + 0.5 * np.cos(np.pi * apart / _TAPS), 0)
    return np.asarray(cut * np.sinc(cut * apart) * window / _FULL, np.float32)
