"""A capture clock that maps sample indices to `time.monotonic`. Pure: times come in as values.

A block can arrive late but never early. So the smallest `arrival - index / rate` of many blocks is the time of index 0,
and a late burst after a stall does not change it:

    arrival - index / rate
        |      *      *                    late blocks: ignored
        |  *      *      *  *
        |____*_______________*____         the smallest one is the offset
        +------------------------- index

If even the earliest arrival within a second is late, the device has lost samples. How late it is gives an estimate of
how many.
"""

from __future__ import annotations

from collections import deque

_WINDOW_S = 1.0
_DRIFT_PER_WINDOW_S = 0.0005
"""Sound cards' clocks differ from the computer's by up to 500 parts in a million. More than that is lost samples."""
_LOSS_S = 0.020
"""If even the earliest arrival of a window is later than the fit by more than this, samples were lost."""
_ADC_AGREES_S = 0.020
_ADC_SMOOTHING = 0.05
_EPOCHS_KEPT = 64
"""Epochs (periods between two openings of the device) for which times can still be asked."""


class CaptureClock:
    """Tells when a sample was captured, in seconds of `time.monotonic`, by counting the samples that have arrived.

    PortAudio's own capture times refine the result only where they agree with the count within 20 ms.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        # (first index, time of index 0 by counting samples, correction from PortAudio's capture times)
        self._epochs: deque[tuple[int, float, float]] = deque(maxlen=_EPOCHS_KEPT)
        self._new_epoch = True
        self._start = 0
        self._offset = 0.0
        self._bias = 0.0
        self._window = (0, 0.0)  # the index and the time at which it began
        self._window_offset = 0.0  # the smallest offset within the window
        self.lost = 0
        """Estimated number of samples that the device lost."""

    def restart(self, index: int) -> None:
        """Begin a new epoch after the device was reopened: its first sample is `index`."""
        self._new_epoch, self._start = True, index

    def block(self, end: int, arrived: float, adc_end: float | None = None) -> None:
        """Note that all samples before index `end` had arrived at the time `arrived`.

        `adc_end`: when the last of them was captured, according to PortAudio. All times are in seconds.
        """
        offset = arrived - end / self._rate_hz
        if self._new_epoch:
            self._begin(offset)
            self._window = (end, arrived)
        self._offset = min(self._offset, offset)
        self._window_offset = min(self._window_offset, offset)
        # Both conditions: during a stall time passes without samples; the burst after it brings samples without time.
        if arrived - self._window[1] >= _WINDOW_S and end - self._window[0] >= _WINDOW_S * self._rate_hz:
            self._close_window()
            self._window = (end, arrived)
        if adc_end is not None:
            deviation = adc_end - (self._offset + end / self._rate_hz)
            if abs(deviation) <= _ADC_AGREES_S:
                self._bias += _ADC_SMOOTHING * (deviation - self._bias)
        self._epochs[-1] = (self._start, self._offset, self._bias)

    def __call__(self, index: int) -> float:
        """Return when sample `index` was captured, in seconds. Raises LookupError before the first block."""
        _, offset, bias = self._epoch(index)
        return offset + bias + index / self._rate_hz

    def counted(self, index: int) -> float:
        """Return when sample `index` was captured, by counting samples only. Raises LookupError before the first block.

        Steadier than `clock(index)`, for uses where only differences matter: PortAudio's capture times wander by up to
        20 ms within seconds.
        """
        return self._epoch(index)[1] + index / self._rate_hz

    def _epoch(self, index: int) -> tuple[int, float, float]:
        return next((epoch for epoch in reversed(self._epochs) if index >= epoch[0]), self._epochs[0])

    def _begin(self, offset: float) -> None:
        self._new_epoch = False
        self._offset = self._window_offset = offset
        self._bias = 0.0
        self._epochs.append((self._start, offset, 0.0))

    def _close_window(self) -> None:
        late_s = self._window_offset - self._offset
        if late_s > _LOSS_S:
            self.lost += round(late_s * self._rate_hz)
            self._offset = self._window_offset
        else:
            self._offset += min(late_s, _DRIFT_PER_WINDOW_S)
        self._window_offset = float("inf")
