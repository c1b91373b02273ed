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
_AVERAGE_OVER_MEDIAN_DB = 1.6
_KNOWN = 4
_LOUDEST_DB = -60.0
_STEP_DB = 0.15

Bands = NDArray[np.floating]


class FarPower:
    """The power of the far end: as it was, and as a room lets it decay."""

    def __init__(self) -> None:
        self.direct = np.zeros((LAGS, BAND_COUNT))
        self.reverberant = np.zeros((LAGS + JUDGED, BAND_COUNT))
        self.held = np.zeros((LAGS + JUDGED, BAND_COUNT))
        """The highest of `reverberant` in the last 160 ms: what a filter that long leaves comes from earlier sound."""

    def feed(self, far: Bands) -> None:
        """Take the far end's power of a step."""
        beside = np.maximum(np.append(far[1:], 0), np.append(0, far[:-1]))
        self.direct[1:] = self.direct[:-1]
        self.direct[0] = np.maximum(far, 0.5 * beside)  # the window's leakage, and a loudspeaker that distorts
        self.reverberant[1:] = self.reverberant[:-1]
        self.reverberant[0] = np.maximum(self.direct[0], self.reverberant[1] * _DECAY)
        self.held[1:] = self.held[:-1]
        self.held[0] = self.reverberant[:FILTERED].max(0)


class EchoPower:
    """How loud the echo of `far` can be: in the microphone, or, if `filtered`, in what a filter leaves of it."""

    def __init__(self, far: FarPower, *, filtered: bool = False) -> None:
        self._far = far
        self._loudest = far.held if filtered else far.reverberant
        self._highest = np.zeros(BAND_COUNT)
        self._gain_db = np.zeros(BAND_COUNT)
        self._steps = np.zeros(BAND_COUNT)  # from which the gain was learned
        self._near_sum, self._far_sum = np.zeros(BAND_COUNT), np.zeros(BAND_COUNT)

    def excess(self, power: Bands, lag: int, floor: float) -> float:
        """The energy of the last steps of the near end that can't be an echo that comes `lag` steps later."""
        known = self._steps >= _KNOWN
        # Of bands in which hardly anything was played yet, as with chimes alone, the loudest known gain is expected.
        gain_db = np.where(known, self._gain_db, self._gain_db[known].max(initial=_LOUDEST_DB))
        gain = 10 ** (gain_db / 10) * _HEADROOM
        loudest = self._loudest[lag : lag + len(power)] * gain + _FLOOR_HEADROOM * floor
        return float(np.maximum(power - loudest, 0).sum())

    def learn(self, power: Bands, lag: int) -> None:
        """Learn from the near end's power of a step, whose echo comes `lag` steps later than the far end."""
        far_power, far = self._far.direct[lag], self._loudest[lag]
        self._highest = np.maximum(self._highest * 0.998, far)
        direct = (far_power > 0.5 * self._far.reverberant[lag]) & (far_power > 0.01 * self._highest) & (far_power > 1e3)
        young = self._steps < _YOUNG
        fresh, grown = direct & young, direct & ~young
        if fresh.any():
            self._near_sum[fresh] += power[fresh]
            self._far_sum[fresh] += far[fresh]
            averaged = young & (self._far_sum > 0)
            ratio = (self._near_sum[averaged] + 1.0) / (self._far_sum[averaged] + 1.0)
            self._gain_db[averaged] = 10 * np.log10(ratio) - _AVERAGE_OVER_MEDIAN_DB
        above = 10 * np.log10((power + 1.0) / (far + 1.0)) > self._gain_db
        self._gain_db[grown] += np.where(above, _STEP_DB, -_STEP_DB)[grown]
        self._steps[direct] += 1
