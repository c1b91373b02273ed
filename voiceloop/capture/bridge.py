"""PortAudio's callback for the microphone: copy, append, wake. Knows no frame and no task."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from voiceloop.audio.wake import Wake

_HELD_S = 30
"""How long the loop may stall before samples are dropped, and counted: 1 MB at 16 kHz."""
_BLOCKS_PER_S = 50


class Block(NamedTuple):
    """20 ms from the device, as it came."""

    pcm: bytes
    start: int
    """Samples per channel that the device gave before, at its own rate."""
    frames: int
    arrived: float
    """`time.monotonic`."""
    age_s: float
    """How old its first sample was then, says PortAudio."""


class Haste:
    """How many blocks may gather before the loop is woken: set by the loop, read by the callback of every stream."""

    def __init__(self) -> None:
        self.blocks = 1


class Bridge:
    """The callback of one opened stream, and what it has handed over."""

    def __init__(self, wake: Wake, haste: Haste) -> None:
        self.blocks: deque[Block] = deque()
        self.received = 0
        """Samples per channel, at the device's rate."""
        self.dropped = 0
        """Those of them that found no room."""
        self.overflows = 0
        """How often PortAudio said that the device lost samples. It doesn't say how many."""
        self.last_arrival = 0.0
        """`time.monotonic` of the newest block."""
        self.finished = False
        self.retired = False
        """Set by the loop when it gives up on the stream: a callback that comes back to life does nothing."""
        self._wake = wake
        self._haste = haste
        self._gathered = 0

    def callback(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """In PortAudio's thread: a few µs, no lock, no exception, nothing that grows without bound."""
        if self.retired:
            return
        if status.input_overflow:
            self.overflows += 1
        if len(self.blocks) < _HELD_S * _BLOCKS_PER_S:
            age_s = times.currentTime - times.inputBufferAdcTime
            self.last_arrival = time.monotonic()
            self.blocks.append(Block(bytes(data), self.received, frames, self.last_arrival, age_s))
        else:
            self.dropped += frames
        self.received += frames
        self._gathered += 1
        if self._gathered >= self._haste.blocks:
            self._gathered = 0
            self._wake.set()

    def on_finished(self) -> None:
        """PortAudio has ended the stream: asked to, or because the device is gone."""
        if not self.retired:
            self.finished = True
            self._wake.set()
