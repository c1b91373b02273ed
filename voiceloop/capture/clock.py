"""Fits the sample index to `time.monotonic`. Pure: times come in as values.

A block can come late but never early. So the earliest of many arrivals, less their index, is where index 0 lies; a
late burst after a stall changes nothing. When even the earliest of a second's arrivals are late and stay so, the device
has lost samples: that is the estimate of what never reached us.
"""

from __future__ import annotations

from collections import deque

_WINDOW_S = 1.0
_DRIFT_PER_WINDOW_S = 0.0005
"""Sound cards' crystals differ from the computer's by up to 500 parts in a million; more is loss."""
_LOSS_S = 0.020
_ADC_AGREES_S = 0.020
_ADC_SMOOTHING = 0.05
_EPOCHS_KEPT = 64


class CaptureClock:
    """When a sample was captured, in seconds of `time.monotonic`, from block counts.

    PortAudio's own capture times refine it only where they agree with the block counts within 20 ms.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        # first index, time of index 0 by block counts, what the capture times add to that
        self._epochs: deque[tuple[int, float, float]] = deque(maxlen=_EPOCHS_KEPT)
        self._fresh = True
        self._start = 0
        self._offset = 0.0
        self._bias = 0.0
        self._window = (0, 0.0)  # the index and the time where it began
        self._least = 0.0  # the earliest offset within it
        self.lost = 0
        """Samples that the device itself lost, estimated."""

    def restart(self, index: int) -> None:
        """The device was reopened: `index` is its first sample, and its times are fitted anew."""
        self._fresh, self._start = True, index

    def block(self, end: int, arrived: float, adc_end: float | None = None) -> None:
        """Take in that the samples before index `end` were here at `arrived`; `adc_end`: when captured."""
        offset = arrived - end / self._rate_hz
        if self._fresh:
            self._begin(offset)
            self._window = (end, arrived)
        self._offset = min(self._offset, offset)
        self._least = min(self._least, offset)
        # Both: a stall has time without samples, the burst after it has samples without time.
        if arrived - self._window[1] >= _WINDOW_S and end - self._window[0] >= _WINDOW_S * self._rate_hz:
            self._close_window()
            self._window = (end, arrived)
        if adc_end is not None:
            deviation = adc_end - (self._offset + end / self._rate_hz)
            if abs(deviation) <= _ADC_AGREES_S:
                self._bias += _ADC_SMOOTHING * (deviation - self._bias)
        self._epochs[-1] = (self._start, self._offset, self._bias)

    def __call__(self, index: int) -> float:
        """When sample `index` was captured. Raises LookupError before the first block."""
        _, offset, bias = self._epoch(index)
        return offset + bias + index / self._rate_hz

    def counted(self, index: int) -> float:
        """As a call, but by block counts alone: steadier, where only differences matter, for PortAudio's capture times
        wander by up to 20 ms within seconds. Raises LookupError before the first block."""
        return self._epoch(index)[1] + index / self._rate_hz

    def _epoch(self, index: int) -> tuple[int, float, float]:
        return next((epoch for epoch in reversed(self._epochs) if index >= epoch[0]), self._epochs[0])

    def _begin(self, offset: float) -> None:
        self._fresh = False
        self._offset = self._least = offset
        self._bias = 0.0
        self._epochs.append((self._start, offset, 0.0))

    def _close_window(self) -> None:
        late = self._least - self._offset
        if late > _LOSS_S:
            self.lost += round(late * self._rate_hz)
            self._offset = self._least
        else:
            self._offset += min(late, _DRIFT_PER_WINDOW_S)
        self._least = float("inf")
