"""The far end: the played signal, aligned with the microphone's samples. Pure: times come in with the blocks.

    time, from         PlayClock and CaptureClock  --->
    loudspeaker        | block 1 | block 2 | block 3 |
    microphone                   | with 1  | with 2  |      each 10 ms with the block played 10 ms (`_MARGIN_S`) before

The echo of a block comes later still, by the delay of the devices and the room; the canceller finds it.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from voiceloop.audio.tape import Tape
from voiceloop.playback.tap import Played
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_BLOCKS_PER_S = 100
_MARGIN_S = 0.010
"""The microphone's block is paired with the samples that the loudspeaker's device took this long before. So a callback
may be this late, and its block is still there in time. More would be dangerous: with some sound cards the echo follows
within 20 ms, and the far end must not come after its echo."""
_KEPT_S = 30
"""How much of the played signal is kept while nobody reads it."""
_SLIP_S = 0.001
_JUMP_S = 0.005
_LOST_S = 0.010
_IN_A_ROW = 3
_DRIFT_S = 0.000005
"""For each block of 10 ms: sound cards' clocks differ from the computer's by up to 500 parts in a million."""


class Block(NamedTuple):
    """10 ms of the far end: int16, mono, at `rate_hz`."""

    pcm: bytes
    rate_hz: int


class Source(Protocol):
    """A source of played blocks, such as `playback.tap.Tap`."""

    def take(self) -> list[Played]:
        """Return the blocks that were played since the last call."""
        ...


class PlayClock:
    """Tells when the device took each sample of one stream, from the times of its callbacks.

    A callback can come late but never early, and after one that is merely late the next ones follow at once. When three
    in a row are late by more than 10 ms, there was an underrun, and the device plays everything later from then on.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._recent: deque[float] = deque(maxlen=_IN_A_ROW)
        self._offset = float("inf")

    def block(self, start: int, at: float) -> None:
        """Note that the block that begins with the sample `start` was taken at the time `at` (seconds)."""
        offset = at - start / self._rate_hz
        self._recent.append(offset)
        late_s = min(self._recent) - self._offset
        if late_s < 0 or (late_s > _LOST_S and len(self._recent) == _IN_A_ROW):
            self._offset = min(self._recent)
        else:
            self._offset += min(max(late_s, 0.0), _DRIFT_S)

    def index(self, time_s: float) -> int:
        """Return the index of the sample that was taken at that time."""
        return round((time_s - self._offset) * self._rate_hz)


class FarEnd:
    """The played signal on the microphone's time axis.

    The times of both sides come from counting samples, not from the moments when callbacks happened to run. So the
    delay between a block and its echo is that of the devices and the room, and is the same from block to block.

    Blocks are read contiguously. When the two clocks are apart by more than 1 ms, each block skips or repeats one
    sample until they agree. At more than 5 ms, or when the device was reopened, reading goes on at the place that the
    clock gives. Where nothing was played, or nothing is known, the signal is silence.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stream = 0
        self._rate_hz = CAPTURE_RATE_HZ
        self._clock = PlayClock(CAPTURE_RATE_HZ)
        self._tape = Tape()
        self._next: int | None = None
        self.last_sound = float("-inf")
        """When the device took the last block that was not silence, in seconds."""

    def gather(self) -> None:
        """Fetch the blocks that were played since the last call."""
        for played in self._source.take():
            if played.stream != self._stream or played.start != self._tape.end:
                self._begin(played)
            self._tape.append(played.pcm)
            self._clock.block(played.start, played.at)
            self._tape.forget_before(self._tape.end - _KEPT_S * self._rate_hz)  # in case nobody reads
            if played.pcm.count(0) != len(played.pcm):
                self.last_sound = max(self.last_sound, played.at)

    def at(self, time_s: float) -> Block:
        """Return the 10 ms of the far end that belong to the 10 ms that the microphone captured from `time_s` on."""
        count = self._rate_hz // _BLOCKS_PER_S
        if self._tape.end == 0:
            return Block(bytes(count * SAMPLE_BYTES), self._rate_hz)
        start = self._follow(self._clock.index(time_s - _MARGIN_S))
        self._next = end = start + count
        self._tape.forget_before(min(start, self._tape.end))
        first, last = max(start, self._tape.start), min(end, self._tape.end)
        if first >= last:
            return Block(bytes(count * SAMPLE_BYTES), self._rate_hz)
        before, after = bytes((first - start) * SAMPLE_BYTES), bytes((end - last) * SAMPLE_BYTES)
        return Block(before + self._tape.between(first, last) + after, self._rate_hz)

    def skip(self, time_s: float) -> None:
        """Move on by 10 ms without returning them, so that the following blocks keep their alignment.

        Alignment by the clocks alone would be exact only to a millisecond, and the canceller's filter is useless when
        the far end is shifted by a few samples.
        """
        if self._next is not None:
            wanted = self._clock.index(time_s - _MARGIN_S)
            self._next = self._follow(wanted) + self._rate_hz // _BLOCKS_PER_S

    def _begin(self, played: Played) -> None:
        self._stream, self._rate_hz = played.stream, played.rate_hz
        self._clock = PlayClock(played.rate_hz)
        self._tape = Tape(played.start)
        self._next = None

    def _follow(self, wanted: int) -> int:
        """Return where to read on, given the index `wanted` by the clocks."""
        if self._next is None:
            return wanted
        deviation = wanted - self._next
        if abs(deviation) > _JUMP_S * self._rate_hz:
            return wanted
        if abs(deviation) > _SLIP_S * self._rate_hz:
            return self._next + (1 if deviation > 0 else -1)
        return self._next
