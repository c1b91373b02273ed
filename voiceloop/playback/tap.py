"""What the loudspeaker's device took, handed over as values from its callback to whoever subtracts it."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

_RECENT_BLOCKS = 400
"""4 s: what an echo may be compared with."""
_KEPT_BLOCKS = 3_000
"""30 s, as long as the microphone's blocks wait for a loop that stalls; then the oldest fall out."""


class Played(NamedTuple):
    """A block as the device took it, gain and hold applied: int16, mono, at `rate_hz`."""

    pcm: bytes
    stream: int
    """Counts the openings of the device: within one, blocks follow on each other."""
    start: int
    """Samples that it took before, since it was opened."""
    rate_hz: int
    at: float
    """`time.monotonic` when it was taken."""


class Tap:
    """A bounded queue of `Played`, written by the output callback of one stream after the other, read by the loop."""

    def __init__(self) -> None:
        self._blocks: deque[Played] = deque(maxlen=_KEPT_BLOCKS)
        self._recent: deque[Played] = deque(maxlen=_RECENT_BLOCKS)
        self._stream = self._start = self._rate_hz = 0

    def begin(self, rate_hz: int) -> None:
        """The blocks to come are a new stream's, or follow after the device ran dry."""
        self._stream, self._start, self._rate_hz = self._stream + 1, 0, rate_hz

    def put(self, pcm: memoryview) -> None:
        """In the callback: copy, append."""
        block = Played(bytes(pcm), self._stream, self._start, self._rate_hz, time.monotonic())
        self._start += len(pcm) // 2
        self._blocks.append(block)
        self._recent.append(block)

    def take(self) -> list[Played]:
        """All that came since the last time."""
        blocks = []
        while self._blocks:  # only this side takes any out, but for the oldest of 30 s
            blocks.append(self._blocks.popleft())
        return blocks

    def recent(self, seconds: float) -> tuple[bytes, int]:
        """What was taken in the last `seconds`, silences too, and its rate: up to 4 s, whoever took it out."""
        since = time.monotonic() - seconds
        blocks = [block for block in tuple(self._recent) if block.rate_hz == self._rate_hz and block.at >= since]
        return b"".join(block.pcm for block in blocks), self._rate_hz
