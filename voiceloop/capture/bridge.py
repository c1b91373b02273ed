"""A bridge from PortAudio's callback to the loop: it copies each block, appends it to a queue, and wakes the loop."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, NamedTuple

from voiceloop.audio.wake import Wake

_HELD_S = 30
"""How long the loop may stall before blocks are dropped and counted: 1 MB at 16 kHz."""
_BLOCKS_PER_S = 50


class Block(NamedTuple):
    """20 ms from the device: int16, channels interleaved, at the device's rate."""

    pcm: bytes
    start: int
    """Samples per channel that the device delivered before this block."""
    frames: int
    """Samples per channel in this block."""
    arrived: float
    """When the callback ran, in seconds of `time.monotonic`."""
    age_s: float
    """How old the block's first sample was when the callback ran, according to PortAudio."""


class WakeBatching:
    """How many blocks are queued before the loop is woken. The loop sets the number; every stream's callback reads it.

    1 gives the lowest latency; a larger number saves CPU time.
    """

    def __init__(self) -> None:
        self.blocks = 1


class Bridge:
    """The callback of one opened stream, and the queue of blocks that it fills."""

    def __init__(self, wake: Wake, batching: WakeBatching) -> None:
        self.blocks: deque[Block] = deque()
        self.received = 0
        """Samples per channel from the device, at its rate, including the dropped ones."""
        self.dropped = 0
        """Samples per channel that were dropped because the queue was full."""
        self.overflows = 0
        """How often PortAudio reported that the device lost samples. It doesn't say how many."""
        self.last_arrival = 0.0
        """When the newest block arrived, in seconds of `time.monotonic`."""
        self.finished = False
        """PortAudio has ended the stream."""
        self.retired = False
        """Set by the loop when it gives up the stream. From then on a late callback does nothing."""
        self._wake = wake
        self._batching = batching
        self._gathered = 0

    def callback(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """Queue one block. Runs in PortAudio's thread: a few µs, no lock, no exception, no unbounded growth."""
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
        if self._gathered >= self._batching.blocks:
            self._gathered = 0
            self._wake.set()

    def on_finished(self) -> None:
        """Note that PortAudio has ended the stream, on request or because the device is gone."""
        if not self.retired:
            self.finished = True
            self._wake.set()
