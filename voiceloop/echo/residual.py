"""Somebody else in what a linear filter leaves of the microphone: for an echo as loud as a person. Numpy.

Where the echo is as loud as a person, their power alone can't tell them apart. But a linear filter takes 10 to 20 dB of
the echo away, and nothing of the person. So what it leaves is judged like the raw microphone: how loud can it be for
what was played?

A filter that is beside its place leaves all of the echo, and adds as much again: what it takes makes the rest louder. A
person doesn't change that, since their voice is not like the echo's. So the filter is believed while what it takes
makes the rest quieter, once it has shown in this reply that it takes nearly all of the echo away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.echo.echo_power import BAND_COUNT, BANDS, JUDGED, Bands, EchoPower, FarPower
from voiceloop.echo.kalman import Samples, power_of
from voiceloop.echo.linear_filter import LinearFilter
from voiceloop.types import CAPTURE_RATE_HZ

_FRAME = CAPTURE_RATE_HZ // 50
_FULL = 32768.0
_LOUDER_THAN_FLOOR = 8.0
SHARE = 0.25
"""More than this can't be the echo. Less is not looked at."""
_ENOUGH, _MOST = 1.0, 2.0
"""The evidence is summed: each step's share, less what can be an echo. In an echo alone it stays under 0.5."""
_FITS, _MISSES = 0.5, 0.3
"""Where the filter is in its place, the rest is quieter by at least the first share of what was taken. Where the rest
is louder by the second, the filter is not."""
_LOUD = 160 * 100.0**2
"""The energy of a step from which it can be seen: -50 dBFS."""
_SHOWN, _SHOWN_STEPS = 0.1, 10
"""The filter has shown that it fits when it left less than this share of so many loud steps in a row."""


class Residual:
    """Take each 10 ms of both ends with `take` and `judge`, then read `samples` and `other_share`."""

    def __init__(self, far: FarPower) -> None:
        self._filter = LinearFilter()
        self._echo = EchoPower(far, filtered=True)
        self._power = np.zeros((JUDGED, BAND_COUNT))  # the newest first; 0 in steps that are only noise
        self._frame = np.zeros(_FRAME, np.float32)
        self._window = np.hanning(_FRAME).astype(np.float32)
        self._energies = np.zeros((JUDGED, 3))  # of the near end, of what is left of it, of what was taken away
        self._floor = 1e9
        self._shown = 0
        self._evidence = 0.0
        self._learns = False  # of every other step: that is fast enough
        self.samples = np.zeros(CAPTURE_RATE_HZ // 100, np.float32)
        """What is left of the last 10 ms of the near end."""
        self.other_share = 0.0
        """The share of the microphone's energy in the last 120 ms that is left and can't be the echo, from 0 to 1.
        0 until the evidence for somebody else is strong: beside an echo that is as loud after 30 to 60 ms."""

        self._fits = False  # whether the filter is in its place

    @property
    def sees_nobody(self) -> bool:
        """Whether the filter is in its place, and all that it leaves can be the echo: surer than power alone."""
        return self._fits and not self._evidence

    def doubt(self) -> None:
        """A new reply, or a new pairing: the filter must show again that it fits."""
        self._shown = 0

    def take(self, near: Samples, far: Samples, lag: int | None) -> NDArray[np.complex64]:
        """Take 10 ms of both ends, and by how many steps the echo is late. Return the far end's spectrum in `BANDS`."""
        self.samples = self._filter.feed(near, far, lag)
        taken = near - self.samples
        self._energies[1:] = self._energies[:-1]
        self._energies[0] = near @ near, self.samples @ self.samples, taken @ taken
        return self._filter.far_spectrum[BANDS] * _FULL

    def judge(self, lag: int | None, *, echoes: bool) -> None:
        """Judge what was left of the last 10 ms. `echoes`: an echo may be heard now."""
        self._frame = np.concatenate([self._frame[len(self.samples) :], self.samples])
        power = power_of(np.fft.rfft(self._frame * self._window)[BANDS])
        energy = float(power.sum())
        self._floor = min(self._floor * 1.002 + 1.0, energy + 1.0)
        self._power[1:] = self._power[:-1]
        self._power[0] = power if energy > _LOUDER_THAN_FLOOR * self._floor else 0.0
        self._fits = False
        share = self._share(power, lag) if lag is not None and echoes else 0.0
        self._evidence = min(_MOST, max(0.0, self._evidence + share - SHARE))
        self.other_share = share if self._evidence > _ENOUGH else 0.0

    def _share(self, power: Bands, lag: int) -> float:
        self._learns = not self._learns
        if self._learns:
            self._echo.learn(power, lag)
        heard, left, took = self._energies.sum(0)
        self._fits = self._shown >= _SHOWN_STEPS and heard - left > _FITS * took
        if left > heard + _MISSES * took:
            self._shown = 0
        elif self._shown < _SHOWN_STEPS:
            self._show(*self._energies[0, :2])
        elif self._fits and left > SHARE * heard and (total := float(self._power.sum())):
            return float(self._echo.excess(self._power, lag, self._floor / BAND_COUNT) / total * left / heard)
        return 0.0

    def _show(self, heard: float, left: float) -> None:
        if heard > _LOUD:
            self._shown = self._shown + 1 if left < _SHOWN * heard else 0
