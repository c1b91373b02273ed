"""A tracker of the echo's delay: how much later than the far end, as it is paired, the microphone hears it. Numpy.

The pairing by sample counts is constant, but the true delay isn't always: a loopback corrects its latency, PipeWire
changes its quantum, a headset changes its profile, a stream is opened anew. The canceller's filter is void after any
change, and an echo that comes *earlier* than the filter begins isn't removed at all. So the delay is measured while
something sounds, by whitened cross-correlation of the raw microphone with the far end, and the far end is shifted to
where its echo was when the filter learned it. That takes 0.35 to 0.5 s of sound after the change.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from voiceloop.types import CAPTURE_RATE_HZ

_STEPS_PER_S = 100
_EVERY = 10
"""Measured every 100 ms: it takes 1 to 2 ms."""
_LOW_HZ, _HIGH_HZ = 300, 3_800
_FINE_HZ = 48_000
"""The resolution of a measured delay."""
_EARLIEST_S = -0.08
_LATEST_S = 0.5
_FIRST_LATEST_S = 0.35
_AROUND_S = 0.08
"""How far from the known delay a new one is looked for: farther away are the room's reflections."""
_LOST = 15
"""After so many measurements in a row without a delay near the known one, it is looked for everywhere. What is found
there must be sure, and come twice."""
_WINDOW_S, _FIRST_WINDOW_S = 0.35, 0.5
"""How much of the far end is compared, beyond the longest delay."""
_SOUNDING_STEPS = 20
_LOUD = 300.0
"""Of 32768: steps of the far end below this say nothing."""
_MOVED_S = 0.0003
"""A smaller change is drift, which the canceller follows by itself, and so does the known delay."""
_FOLLOWED = 0.3
_SURE, _LIKELY = 1.6, 1.25
"""A peak this many times as high as the third highest elsewhere is believed at once; a likely one if it comes twice.
Where the microphone doesn't hear the loudspeaker, but somebody, chance may be likely twice: so shifts are bounded."""
_SAME_S = 0.0002
_PEAK_S = 0.002
_STANDS_OUT = 4.0
_WHITENING = 0.7


class DelayTracker:
    """Take each step with `feed`; it returns by how much the echo's delay has changed."""

    def __init__(self) -> None:
        self._near: deque[NDArray[np.float32]] = deque(maxlen=round((_LATEST_S + _FIRST_WINDOW_S) * _STEPS_PER_S))
        self._far: deque[NDArray[np.float32]] = deque(maxlen=self._near.maxlen)
        self._steps = 0
        self._last: float | None = None
        self._missed = 0
        self.delay_s: float | None = None
        """The known delay, in seconds; None until it has been measured."""
        self.measured = 0
        """How often it was measured."""

    def forget(self) -> None:
        """The far end was placed anew for good: the next delay that is measured is the known one."""
        self.delay_s = None
        self.clear()

    def clear(self) -> None:
        """What was heard so far doesn't belong to the far end as it is paired from now on."""
        self._near.clear()
        self._far.clear()
        self._last = None

    def feed(self, near: NDArray[np.float32], far: NDArray[np.float32]) -> float:
        """Take 10 ms of the raw microphone (160 samples) and of the far end (at any rate, always the same length).

        Returns by how many seconds the echo is later than the known delay (negative: earlier), 0 if it isn't. Something
        else than 0 is returned once: the far end is to be shifted by so much.
        """
        if self._far and len(self._far[-1]) != len(far):
            self.clear()
        self._near.append(near)
        self._far.append(far)
        self._steps += 1
        return self._weigh() if self._steps % _EVERY == 0 else 0.0

    def _weigh(self) -> float:
        earliest_s, latest_s = self._range()
        window_s = _FIRST_WINDOW_S if self.delay_s is None else _WINDOW_S
        after = round(latest_s * _STEPS_PER_S)
        steps = min(len(self._near), after + round(window_s * _STEPS_PER_S))
        compared = steps - after
        if compared < _SOUNDING_STEPS:
            return 0.0
        near, far = list(self._near)[-steps:], list(self._far)[-steps:]
        if sum(float(np.abs(step).max()) > _LOUD for step in far[:compared]) < _SOUNDING_STEPS:
            return 0.0
        far[compared:] = [np.zeros_like(far[0])] * after
        found = _peak(np.concatenate(near), np.concatenate(far), earliest_s, latest_s)
        if found is None:
            self._last = None
            self._missed += 1
            return 0.0
        delay_s, sure = found
        before, self._last = self._last, delay_s if sure >= _LIKELY else None
        twice = self._last is not None and before is not None and abs(before - delay_s) <= _SAME_S
        believed = (sure >= _SURE and twice) if self._missed >= _LOST else (sure >= _SURE or twice)
        if not believed:
            self._missed += 1
            return 0.0
        self._missed = 0
        return self._take(delay_s)

    def _range(self) -> tuple[float, float]:
        """Between which delays to look."""
        if self.delay_s is None:
            return 0.0, _FIRST_LATEST_S
        if self._missed >= _LOST:
            return _EARLIEST_S, _LATEST_S
        return max(_EARLIEST_S, self.delay_s - _AROUND_S), min(_LATEST_S, self.delay_s + _AROUND_S)

    def _take(self, delay_s: float) -> float:
        self.measured += 1
        if self.delay_s is None:
            self.delay_s = delay_s
            return 0.0
        change_s = delay_s - self.delay_s
        if abs(change_s) <= _MOVED_S:
            self.delay_s += _FOLLOWED * change_s
            return 0.0
        self.clear()
        return change_s


def _peak(
    near: NDArray[np.float32], far: NDArray[np.float32], earliest_s: float, latest_s: float
) -> tuple[float, float] | None:
    """Return the delay of the highest peak of the whitened cross-correlation, and how far it stands out; None if it
    doesn't. Both signals cover the same time: bins of the same number are the same frequency, whatever the rates."""
    seconds = len(near) / CAPTURE_RATE_HZ
    low, high = round(_LOW_HZ * seconds), round(_HIGH_HZ * seconds)
    cross = np.fft.rfft(near)[low:high] * np.conj(np.fft.rfft(far)[low:high])
    power = np.abs(cross)
    if not power.any():
        return None
    size = round(_FINE_HZ * seconds)
    spectrum = np.zeros(size // 2 + 1, complex)
    spectrum[low:high] = cross / (power + power.mean() * 0.1) ** _WHITENING
    found = np.abs(np.fft.irfft(spectrum, size))
    # Lags below 0 are at the end.
    found = np.concatenate([found[size + round(_EARLIEST_S * _FINE_HZ) :], found[: round(latest_s * _FINE_HZ)]])
    found = np.convolve(found, np.ones(9) / 9, "same")  # roughly its envelope
    first = round((earliest_s - _EARLIEST_S) * _FINE_HZ)
    peak = first + int(found[first:].argmax())
    beside = round(_PEAK_S * _FINE_HZ)
    others = np.concatenate([found[: max(0, peak - beside)], found[peak + beside :]])
    if found[peak] < _STANDS_OUT * np.median(found) or len(others) < 3:
        return None
    return peak / _FINE_HZ + _EARLIEST_S, float(found[peak] / (np.partition(others, -3)[-3] + 1e-9))
