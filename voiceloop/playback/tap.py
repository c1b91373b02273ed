"""The tap: copies of what the loudspeaker's device played, for the echo canceller and for detecting our own voice."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

_RECENT_BLOCKS = 400
"""4 s: how far back an echo may be compared with what was played."""
_KEPT_BLOCKS = 3_000
"""30 s, as long as the microphone's blocks wait for a loop that stalls; then the oldest are dropped."""


class Played(NamedTuple):
    """A block as the device took it, with gain and hold applied: int16, mono, at `rate_hz`."""

    pcm: bytes
    stream: int
    """The number of the device's opening: blocks of one stream are contiguous."""
    start: int
    """How many samples the stream took before this block."""
    rate_hz: int
    at: float
    """`time.monotonic` when the device took it."""


class Tap:
    """A bounded queue of `Played`: written by the output callback (of one stream after the other), read by the loop."""

    def __init__(self) -> None:
        self._blocks: deque[Played] = deque(maxlen=_KEPT_BLOCKS)
        self._recent: deque[Played] = deque(maxlen=_RECENT_BLOCKS)
        self._stream = self._start = self._rate_hz = 0

    def begin(self, rate_hz: int) -> None:
        """The next block is not contiguous with the last: a new stream begins, or the device had an underrun."""
        self._stream, self._start, self._rate_hz = self._stream + 1, 0, rate_hz

    def put(self, pcm: memoryview) -> None:
        """Add a block. Runs in the output callback: only copies and appends."""
        block = Played(bytes(pcm), self._stream, self._start, self._rate_hz, time.monotonic())
        self._start += len(pcm) // 2
        self._blocks.append(block)
        self._recent.append(block)

    def take(self) -> list[Played]:
        """Remove and return all blocks since the last call."""
        blocks = []
        while self._blocks:  # nothing else removes blocks, except those older than 30 s
            blocks.append(self._blocks.popleft())
        return blocks

    def recent(self, seconds: float) -> tuple[bytes, int]:
        """What the device played in the last `seconds` (at most 4), silence included, and its rate in Hz. Also blocks
        that `take` has removed."""
        since = time.monotonic() - seconds
        blocks = [block for block in tuple(self._recent) if block.rate_hz == self._rate_hz and block.at >= since]
        return b"".join(block.pcm for block in blocks), self._rate_hz
