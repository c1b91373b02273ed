"""How loud the echo of what was played can be, band by band, learned from what was heard. Numpy.

    far end   |X|, decaying like a room ---> + gain of the band + 9 dB = the loudest echo
    near end  |P| ---> what of it is louder than that is somebody else

The gain is a slow median of P/X in dB, so a person who speaks at times doesn't raise it. Powers are those of 71 bands
of 50 Hz from 250 to 3750 Hz, one for each step of 10 ms. All histories have the newest step first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS = slice(5, 76)
"""Of a spectrum of 20 ms: 250 to 3750 Hz."""
BAND_COUNT = 71
LAGS = 42
"""The echo is looked for in the far end of the last 420 ms."""
JUDGED = 12
"""Steps whose energy is judged together."""
FILTERED = 16
"""Steps: so long is the echo that the linear filter takes away."""
_DECAY = 0.80
"""The echo's power falls at most this fast, for each step, when the far end stops: 1 dB."""
_HEADROOM = 10 ** (9.0 / 10)
_FLOOR_HEADROOM = 4.0
_YOUNG = 40
"""So many steps of a band are averaged before its median is followed."""
_MEDIAN_OVER_AVERAGE = 10 ** (-1.6 / 10)
_KNOWN = 4
_LEAST = 1e-6
"""-60 dB."""
_UP, _DOWN = 10 ** (0.15 / 10), 10 ** (-0.15 / 10)

Bands = NDArray[np.floating]


class FarPower:
    """The power of the far end: as it was, and as a room lets it decay."""

    def __init__(self) -> None:
        self.direct = np.zeros((LAGS, BAND_COUNT))
        self.reverberant = np.zeros((LAGS + JUDGED, BAND_COUNT))
        self.held = np.zeros((LAGS + JUDGED, BAND_COUNT))
        """The highest of `reverberant` in the last 160 ms: what a filter that long leaves comes from earlier sound."""
        self._beside = np.zeros(BAND_COUNT + 2)

    def feed(self, far: Bands) -> None:
        """Take the far end's power of a step."""
        self._beside[1:-1] = far
        beside = np.maximum(self._beside[:-2], self._beside[2:])
        for history in (self.direct, self.reverberant, self.held):
            history[1:] = history[:-1]
        # The neighbours: the window's leakage, and a loudspeaker that distorts.
        np.maximum(far, 0.5 * beside, out=self.direct[0])
        np.maximum(self.direct[0], self.reverberant[1] * _DECAY, out=self.reverberant[0])
        self.reverberant[:FILTERED].max(0, out=self.held[0])


class EchoPower:
    """How loud the echo of `far` can be: in the microphone, or, if `filtered`, in what a filter leaves of it."""

    def __init__(self, far: FarPower, *, filtered: bool = False) -> None:
        self._far = far
        self._loudest = far.held if filtered else far.reverberant
        self._highest = np.zeros(BAND_COUNT)
        self._gain = np.ones(BAND_COUNT)
        self._steps = np.zeros(BAND_COUNT)  # from which the gain was learned
        self._near_sum, self._far_sum = np.zeros(BAND_COUNT), np.zeros(BAND_COUNT)
        self._expected: Bands | None = None  # the gain that the loudest echo has

    def excess(self, power: Bands, lag: int, floor: float) -> float:
        """The energy of the last steps of the near end that can't be an echo that comes `lag` steps later."""
        if self._expected is None:
            known = self._steps >= _KNOWN
            # Where hardly anything was played yet, as in most bands with chimes alone, the loudest gain is expected.
            self._expected = np.where(known, self._gain, self._gain[known].max(initial=_LEAST)) * _HEADROOM
        beyond = power - self._loudest[lag : lag + len(power)] * self._expected
        beyond -= _FLOOR_HEADROOM * floor
        return float(np.maximum(beyond, 0, out=beyond).sum())

    def learn(self, power: Bands, lag: int) -> None:
        """Learn from the near end's power of a step, whose echo comes `lag` steps later than the far end."""
        far_power, far = self._far.direct[lag], self._loudest[lag]
        self._highest *= 0.998
        np.maximum(self._highest, far, out=self._highest)
        direct = far_power > np.maximum(0.5 * self._far.reverberant[lag], np.maximum(0.01 * self._highest, 1e3))
        young = self._steps < _YOUNG
        fresh, grown = direct & young, direct & ~young
        if fresh.any():
            self._near_sum[fresh] += power[fresh]
            self._far_sum[fresh] += far[fresh]
            averaged = young & (self._far_sum > 0)
            ratio = (self._near_sum[averaged] + 1.0) / (self._far_sum[averaged] + 1.0)
            self._gain[averaged] = ratio * _MEDIAN_OVER_AVERAGE
        above = power + 1.0 > (far + 1.0) * self._gain
        np.multiply(self._gain, np.where(above, _UP, _DOWN), out=self._gain, where=grown)
        self._steps += direct
        self._expected = None
