"""A double-talk detector: is there anything in the raw microphone that the echo can't be? Numpy; it takes nothing out.

The canceller subtracts a waveform, so all of its gain is lost when the far end is a few samples beside its place, when
the loudspeaker distorts, or before the filter has learned the room. This detector compares powers, which hardly change
with all that (`echo_power.py`). Where the echo is as loud as a person, that is not enough: what a linear filter leaves
of the microphone is judged, too (`residual.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.echo.echo_power import BAND_COUNT, BANDS, JUDGED, LAGS, Bands, EchoPower, FarPower
from voiceloop.echo.kalman import power_of
from voiceloop.echo.residual import SHARE, Residual
from voiceloop.types import CAPTURE_RATE_HZ

_FRAME = CAPTURE_RATE_HZ // 50
_EARLY, _SPREAD = 2, 5
"""The far end's power is the highest of these frames around the delay: so far the echo may be beside it."""
_FORGET = np.float32(np.exp(-0.01 / 2.0))
_DOUBTED = 0.05
_FIND_EVERY = 10
_COHERENT, _STANDS_OUT = 0.03, 8.0
"""The least coherence at the delay of an echo, and how far it is above that at other delays. With headphones a person
reaches 0.015 and 10 by chance."""
_BY_CHANCE = 1.6
"""Over the number of loud steps, the coherence that few steps have by chance (at most 1.3 in 16 conversations)."""
_LIKELY = 2.0
"""How far the coherence stands out at the delay of an echo that has moved, and of one that may be there. A wrong one is
soon corrected."""
_SURE_AFTER = 40
"""Loud steps after which an echo that is not sure is none: nothing that was learned by then holds. Else the voice of a
person in headphones would be learned as the echo's. All echoes that were tried are sure after 20 to 40."""
_LOUD = 100
"""Of 32768: from quieter steps of the far end nothing is learned."""
_REVERBERATES = 30
"""Steps in which the room is heard after the last loud step of the echo."""
_LINGERS = LAGS + _REVERBERATES
"""The same after the last loud step of the far end, at the longest delay."""
_MOVES = 8
"""By how many steps the echo may come earlier or later, all at once: a microphone that loses 60 ms tells nobody."""
_EXPLAINED = 0.1
"""A delay that leaves less than this share is the echo's new one: of a person's voice any delay leaves more."""
_OTHER, _SURELY_OTHER = 0.2, 0.5
_LOUDER_THAN_FLOOR = 8.0
_HEARS = 1.0
"""Less energy has no microphone that is on: digital silence would teach that the room has no echo."""
_TRAINED = 30
_HOLD = 15
"""Steps for which somebody else is believed to go on."""


class DoubleTalkDetector:
    """Take each 10 ms of both ends with `feed`, then ask `echo_only`. `linear`: judge what a filter leaves, too."""

    def __init__(self, *, linear: bool = True) -> None:
        self._linear = linear
        self._near = np.zeros(_FRAME, np.float32)
        self._window = np.hanning(_FRAME).astype(np.float32)
        self._spectra = np.zeros((LAGS, BAND_COUNT), np.complex64)  # of the far end, conjugated, the newest first
        self._powers = np.zeros((_SPREAD, BAND_COUNT), np.float32)  # of the same
        self._delay = _Delay()
        self._far_power = FarPower()
        self._echo = EchoPower(self._far_power)
        self._residual = Residual(self._far_power)
        self._since_loud = _LINGERS
        self._since_other = _HOLD
        self._trained = 0
        self._floor = 1e9
        self._power = np.zeros((JUDGED, BAND_COUNT))  # of the near end, newest first; 0 in steps that are only noise
        self.other_share = 0.0
        """The share of the last 120 ms' energy that is louder than the echo can be, from 0 to 1."""

    def disturb(self) -> None:
        """The far end is paired anew: look for the delay again. The gains still hold."""
        self._delay.doubt()
        self._residual.doubt()

    def feed(self, near: NDArray[np.float32], far: NDArray[np.float32]) -> None:
        """Take 10 ms of the raw microphone (160 samples) and of the far end (at any rate)."""
        self._near = np.concatenate([self._near[len(near) :], near])
        spectrum = np.fft.rfft(self._near * self._window)[BANDS]
        self._since_loud = 0 if np.abs(far).max(initial=0) > _LOUD else self._since_loud + 1
        self._since_other += 1
        power = power_of(spectrum)
        energy = float(power.sum())
        self._floor = min(self._floor * 1.002 + 1.0, energy + 1.0)
        self._power[1:] = self._power[:-1]
        self._power[0] = power if energy > _LOUDER_THAN_FLOOR * self._floor else 0.0
        if self._since_loud == _LINGERS:
            self._residual.doubt()
        far_spectrum = self._residual.take(near, far, self._delay.lag if self._linear else None)
        for history in (self._spectra, self._powers):
            history[1:] = history[:-1]
        self._spectra[0] = far_spectrum.conj()
        self._powers[0] = power_of(far_spectrum)
        self._far_power.feed(self._powers.max(0))
        lag = self._delay.lag
        if self._since_loud < _LINGERS:
            lag = self._delay.find(spectrum, power, self._spectra, self._powers[0], loud=self._since_loud == 0)
            if lag is None and self._trained:
                self._echo, self._trained = EchoPower(self._far_power), 0
        if lag is not None and self._since_loud < _LINGERS and energy > _HEARS:
            self._echo.learn(power, lag)
            self._trained += 1
        if self._linear:
            self._residual.judge(lag, echoes=self._since_loud < _LINGERS and energy > _HEARS)
        share, left = self._share(lag), self._residual.other_share
        if self._residual.sees_nobody and share < _SURELY_OTHER:
            share = 0.0
        self.other_share = max(share, left)
        if self.sounding and (share > _OTHER or left > SHARE):
            self._since_other = 0

    def _share(self, lag: int | None) -> float:
        """The share of the last 120 ms' energy that is louder than the echo can be."""
        total = float(self._power.sum())
        if not total or lag is None or self._since_loud >= _LINGERS:
            return 0.0  # nothing is known of the echo: nobody is sure to be heard, and nobody is sure not to be
        floor = self._floor / BAND_COUNT
        other = self._echo.excess(self._power, lag, floor)
        if other > _OTHER * total:
            # The echo may come earlier or later than it did, until that has been measured.
            near = range(max(0, lag - _MOVES), min(LAGS, lag + _MOVES + 1))
            moved = min(self._echo.excess(self._power, one, floor) for one in near)
            other = moved if moved < _EXPLAINED * total else other
        return other / total

    @property
    def residual_share(self) -> float:
        """The share of the last 120 ms' energy that the linear filter left and that can't be the echo, from 0 to 1."""
        return self._residual.other_share

    @property
    def residual(self) -> NDArray[np.float32]:
        """What a linear filter leaves of the last 10 ms of the microphone: less of the echo, all of a person."""
        return self._residual.samples

    @property
    def sounding(self) -> bool:
        """Whether what was played may still be heard."""
        lag = LAGS if self._delay.lag is None else self._delay.lag
        return self._since_loud < lag + _REVERBERATES

    @property
    def knows_echo(self) -> bool:
        """Whether the echo was found, and its loudness is known (after 0.3 s of sound)."""
        return self._delay.lag is not None and self._trained >= _TRAINED

    @property
    def echo_only(self) -> bool:
        """Whether all that the microphone hears now is the echo of what was played, or silence. False where nothing is
        played, and until the room is known (0.3 s of sound)."""
        return self.sounding and self._trained >= _TRAINED and self._since_other > _HOLD


class _Delay:
    """The echo's delay in steps, by the coherence of both ends over the last 2 s."""

    def __init__(self) -> None:
        self.lag: int | None = None
        """The first step of the echo, less `_EARLY`."""
        self._cross = np.zeros((LAGS, BAND_COUNT), np.complex64)
        self._near, self._far = np.zeros(BAND_COUNT), np.zeros(BAND_COUNT)
        self._steps = 0
        self._loud_steps = 0
        self._sure = False

    def doubt(self) -> None:
        self._cross *= _DOUBTED
        self._near *= _DOUBTED
        self._far *= _DOUBTED

    def find(
        self,
        near: NDArray[np.complexfloating],
        near_power: Bands,
        far: NDArray[np.complex64],
        far_power: Bands,
        *,
        loud: bool,
    ) -> int | None:
        """Take the spectrum and the power of the near end, the conjugated spectra of the far end, the newest first, the
        power of the newest, and whether it is loud. Return the lag, if it is known."""
        self._cross *= _FORGET
        self._cross += near.astype(np.complex64) * far
        self._near = self._near * _FORGET + near_power
        self._far = self._far * _FORGET + far_power
        self._steps += 1
        self._loud_steps += loud
        if self._steps % _FIND_EVERY == 0:
            self._search()
        return self.lag

    def _search(self) -> None:
        power = self._near * self._far
        if not power.any():
            return
        coherence = (power_of(self._cross) / (power + power.mean() * 1e-3)).mean(1)
        best = int(coherence.argmax())
        other = float(np.median(coherence))
        self._sure = self._sure or coherence[best] >= max(
            _COHERENT, _BY_CHANCE / max(1, self._loud_steps), _STANDS_OUT * other
        )
        if not self._sure and self._loud_steps >= _SURE_AFTER:
            self.lag = None
            return
        if coherence[best] < _LIKELY * other:
            return
        first = max(0, best - _EARLY)
        if self.lag is None or abs(first - self.lag) > 1:
            self.lag = first
