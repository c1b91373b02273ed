"""A double-talk detector: is there anything in the raw microphone that the echo can't be? Numpy; it takes nothing out.

The canceller subtracts a waveform, so all of its gain is lost when the far end is a few samples beside its place, when
the loudspeaker distorts, or before the filter has learned the room. This detector compares powers, which hardly change
with all that. For each band it learns how loud the echo is for what was played:

    far end   |X|, late by the echo's delay, decaying like a room ---> + gain of the band + 9 dB = the loudest echo
    near end  |P| ---> what of it is louder than that is somebody else; its share of the energy is the evidence

The gain is a slow median of P/X in dB, so a person who speaks at times doesn't raise it. Spectra cover 20 ms, one every
10 ms, in bands of 50 Hz from 250 to 3750 Hz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.types import CAPTURE_RATE_HZ

_FRAME = CAPTURE_RATE_HZ // 50
_BANDS = slice(5, 76)
_COUNT = 71
_LAGS = 42
"""The echo is looked for in the far end of the last 420 ms."""
_EARLY, _SPREAD = 2, 5
"""The far end's power is the highest of these frames around the delay: so far the echo may be beside it."""
_FORGET = float(np.exp(-0.01 / 2.0))
_DOUBTED = 0.05
_FIND_EVERY = 10
_FOUND = 2.0
_LOUD = 100
"""Of 32768: from quieter steps of the far end nothing is learned."""
_REVERBERATES = 30
"""Steps in which the room is heard after the last loud step of the echo."""
_LINGERS = _LAGS + _REVERBERATES
"""The same after the last loud step of the far end, at the longest delay."""
_DECAY = 0.80
"""The echo's power falls at most this fast, for each step, when the far end stops: 1 dB."""
_HEADROOM = 10 ** (9.0 / 10)
_FLOOR_HEADROOM = 4.0
_YOUNG = 40
"""So many steps of a band are averaged before its median is followed."""
_AVERAGE_OVER_MEDIAN_DB = 1.6
_KNOWN = 4
_LOUDEST_DB = -60.0
_STEP_DB = 0.15
_JUDGED = 12
"""Steps whose energy is judged together."""
_MOVES = 8
"""By how many steps the echo may come earlier or later, all at once: a microphone that loses 60 ms tells nobody."""
_EXPLAINED = 0.1
"""A delay that leaves less than this share is the echo's new one: of a person's voice any delay leaves more."""
_OTHER = 0.2
_LOUDER_THAN_FLOOR = 8.0
_HEARS = 1.0
"""Less energy has no microphone that is on: digital silence would teach that the room has no echo."""
_TRAINED = 30
_HOLD = 15
"""Steps for which somebody else is believed to go on."""

Bands = NDArray[np.float64]


class DoubleTalkDetector:
    """Take each 10 ms of both ends with `feed`, then ask `echo_only`."""

    def __init__(self) -> None:
        self._near = np.zeros(_FRAME, np.float32)
        self._far = np.zeros(_FRAME, np.float32)
        self._near_window = np.hanning(_FRAME).astype(np.float32)
        self._far_window = self._near_window
        self._spectra = np.zeros((_LAGS + _SPREAD, _COUNT), complex)  # of the far end, the newest first
        self._delay = _Delay()
        self._echo = _EchoPower()
        self._since_loud = _LINGERS
        self._since_other = _HOLD
        self._trained = 0
        self._floor = 1e9
        self._power = np.zeros((_JUDGED, _COUNT))  # of the near end, the newest first; 0 in steps that are only noise
        self.other_share = 0.0
        """The share of the last 120 ms' energy that is louder than the echo can be, from 0 to 1."""

    def disturb(self) -> None:
        """The far end is paired anew: look for the delay again. The gains still hold."""
        self._delay.doubt()

    def feed(self, near: NDArray[np.float32], far: NDArray[np.float32]) -> None:
        """Take 10 ms of the raw microphone (160 samples) and of the far end (at any rate)."""
        if 2 * len(far) != len(self._far):
            self._far = np.zeros(2 * len(far), np.float32)
            self._far_window = np.hanning(2 * len(far)).astype(np.float32)
        self._near = np.concatenate([self._near[len(near) :], near])
        self._far = np.concatenate([self._far[len(far) :], far])
        spectrum = np.fft.rfft(self._near * self._near_window)[_BANDS]
        self._spectra[1:] = self._spectra[:-1]
        self._spectra[0] = np.fft.rfft(self._far * self._far_window)[_BANDS] * (_FRAME / len(self._far))
        self._since_loud = 0 if np.abs(far).max(initial=0) > _LOUD else self._since_loud + 1
        self._since_other += 1
        power: Bands = np.abs(spectrum) ** 2
        energy = float(power.sum())
        self._floor = min(self._floor * 1.002 + 1.0, energy + 1.0)
        self._power[1:] = self._power[:-1]
        self._power[0] = power if energy > _LOUDER_THAN_FLOOR * self._floor else 0.0
        self._echo.feed(np.abs(self._spectra[:_SPREAD]).max(0) ** 2)
        lag = self._delay.find(spectrum, self._spectra) if self._since_loud < _LINGERS else self._delay.lag
        if lag is not None and self._since_loud < _LINGERS and energy > _HEARS:
            self._echo.learn(power, lag)
            self._trained += 1
        self.other_share = self._share(lag)
        if self.sounding and self.other_share > _OTHER:
            self._since_other = 0

    def _share(self, lag: int | None) -> float:
        """The share of the last 120 ms' energy that is louder than the echo can be."""
        total = float(self._power.sum())
        if not total or lag is None or self._since_loud >= _LINGERS:
            return 0.0  # nothing is known of the echo: nobody is sure to be heard, and nobody is sure not to be
        floor = self._floor / _COUNT
        other = self._echo.excess(self._power, lag, floor)
        if other > _OTHER * total:
            # The echo may come earlier or later than it did, until that has been measured.
            near = range(max(0, lag - _MOVES), min(_LAGS, lag + _MOVES + 1))
            moved = min(self._echo.excess(self._power, one, floor) for one in near)
            other = moved if moved < _EXPLAINED * total else other
        return other / total

    @property
    def sounding(self) -> bool:
        """Whether what was played may still be heard."""
        lag = _LAGS if self._delay.lag is None else self._delay.lag
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
        self._cross = np.zeros((_LAGS, _COUNT), complex)
        self._near, self._far = np.zeros(_COUNT), np.zeros(_COUNT)
        self._steps = 0

    def doubt(self) -> None:
        self._cross *= _DOUBTED
        self._near *= _DOUBTED
        self._far *= _DOUBTED

    def find(self, near: NDArray[np.complex128], far: NDArray[np.complex128]) -> int | None:
        """Take the spectrum of the near end, and those of the far end, the newest first; return the lag, if known."""
        self._cross *= _FORGET
        self._cross += near * np.conj(far[:_LAGS])
        self._near = self._near * _FORGET + np.abs(near) ** 2
        self._far = self._far * _FORGET + np.abs(far[0]) ** 2
        self._steps += 1
        if self._steps % _FIND_EVERY == 0:
            self._search()
        return self.lag

    def _search(self) -> None:
        power = self._near * self._far
        if not power.any():
            return
        coherence = (np.abs(self._cross) ** 2 / (power + power.mean() * 1e-3)).mean(1)
        best = int(coherence.argmax())
        if coherence[best] < _FOUND * np.median(coherence):
            return
        first = max(0, best - _EARLY)
        if self.lag is None or abs(first - self.lag) > 1:
            self.lag = first


class _EchoPower:
    """How loud the echo can be in each band, learned from what was heard. All histories have the newest step first."""

    def __init__(self) -> None:
        self._far = np.zeros((_LAGS, _COUNT))  # the far end's power
        self._reverberant = np.zeros((_LAGS + _JUDGED, _COUNT))  # the same with the room's decay
        self._highest = np.zeros(_COUNT)
        self._gain_db = np.zeros(_COUNT)
        self._steps = np.zeros(_COUNT)  # from which the gain was learned
        self._near_sum, self._far_sum = np.zeros(_COUNT), np.zeros(_COUNT)

    def feed(self, far: Bands) -> None:
        """Take the far end's power of a step."""
        beside = np.maximum(np.append(far[1:], 0), np.append(0, far[:-1]))
        self._far[1:] = self._far[:-1]
        self._far[0] = np.maximum(far, 0.5 * beside)  # the window's leakage, and a loudspeaker that distorts
        self._reverberant[1:] = self._reverberant[:-1]
        self._reverberant[0] = np.maximum(self._far[0], self._reverberant[1] * _DECAY)

    def excess(self, power: Bands, lag: int, floor: float) -> float:
        """The energy of the last steps of the near end that can't be an echo that comes `lag` steps later."""
        known = self._steps >= _KNOWN
        # Of bands in which hardly anything was played yet, as with chimes alone, the loudest known gain is expected.
        gain_db = np.where(known, self._gain_db, self._gain_db[known].max(initial=_LOUDEST_DB))
        gain = 10 ** (gain_db / 10) * _HEADROOM
        loudest = self._reverberant[lag : lag + len(power)] * gain + _FLOOR_HEADROOM * floor
        return float(np.maximum(power - loudest, 0).sum())

    def learn(self, power: Bands, lag: int) -> None:
        """Learn from the near end's power of a step, whose echo comes `lag` steps later than the far end."""
        far_power, far = self._far[lag], self._reverberant[lag]
        self._highest = np.maximum(self._highest * 0.998, far)
        direct = (far_power > 0.5 * far) & (far_power > 0.01 * self._highest) & (far_power > 1e3)
        young = self._steps < _YOUNG
        fresh, grown = direct & young, direct & ~young
        self._near_sum[fresh] += power[fresh]
        self._far_sum[fresh] += far[fresh]
        averaged = young & (self._far_sum > 0)
        ratio = (self._near_sum[averaged] + 1.0) / (self._far_sum[averaged] + 1.0)
        self._gain_db[averaged] = 10 * np.log10(ratio) - _AVERAGE_OVER_MEDIAN_DB
        above = 10 * np.log10((power + 1.0) / (far + 1.0)) > self._gain_db
        self._gain_db[grown] += np.where(above, _STEP_DB, -_STEP_DB)[grown]
        self._steps[direct] += 1
