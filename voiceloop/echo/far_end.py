"""Which 10 ms of the loudspeaker belong to which 10 ms of the microphone. Pure: times come in with the blocks."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from voiceloop.audio.tape import Tape
from voiceloop.playback.tap import Played
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_BLOCKS_PER_S = 100
_MARGIN_S = 0.010
"""The microphone's block is paired with what the device took so long before. A callback may come late by that much
and its block is still there; more would be dangerous: sound cards exist where the echo follows within 20 ms."""
_KEPT_S = 30
_SLIP_S = 0.001
_JUMP_S = 0.005
_LOST_S = 0.010
_IN_A_ROW = 3
_DRIFT_S = 0.000005
"""For each block: sound cards' crystals differ from the computer's by up to 500 parts in a million."""


class Block(NamedTuple):
    """10 ms of the far end: int16, mono, at `rate_hz`."""

    pcm: bytes
    rate_hz: int


class Source(Protocol):
    """Where played blocks come from; `audio.played.Tap` is one."""

    def take(self) -> list[Played]: ...


class PlayClock:
    """Fits the samples of one stream to the time when the device took them, from when its callbacks came.

    A callback can come late but never early, and one that is only late is followed at once by those that it held up.
    When three in a row are late by more than 10 ms the device has run dry, and plays everything later from there on.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._recent: deque[float] = deque(maxlen=_IN_A_ROW)
        self._offset = float("inf")

    def block(self, start: int, at: float) -> None:
        """The block that begins with sample `start` was taken at the time `at`."""
        offset = at - start / self._rate_hz
        self._recent.append(offset)
        late = min(self._recent) - self._offset
        if late < 0 or (late > _LOST_S and len(self._recent) == _IN_A_ROW):
            self._offset = min(self._recent)
        else:
            self._offset += min(max(late, 0.0), _DRIFT_S)

    def index(self, time_s: float) -> int:
        """The sample that was taken at that time."""
        return round((time_s - self._offset) * self._rate_hz)


class FarEnd:
    """The played signal on the microphone's time axis.

    Both sides' times come from counting samples, not from when a callback happened to run, so what is left between a
    block and its echo is the devices' and the room's delay, the same from block to block. It is read on contiguously.
    When the two clocks drift apart by a millisecond a sample is left out or repeated in each block until
    they agree; at 5 ms, or when the device was opened anew, it is read from where the clock says. What was not played,
    or is not known, is silence.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._stream = 0
        self._rate_hz = CAPTURE_RATE_HZ
        self._clock = PlayClock(CAPTURE_RATE_HZ)
        self._tape = Tape()
        self._next: int | None = None
        self.last_sound = float("-inf")
        """When the last block was taken that was anything but silence."""

    def gather(self) -> None:
        """Take in what was played since."""
        for played in self._source.take():
            if played.stream != self._stream or played.start != self._tape.end:
                self._begin(played)
            self._tape.append(played.pcm)
            self._clock.block(played.start, played.at)
            self._tape.forget_before(self._tape.end - _KEPT_S * self._rate_hz)  # while nobody asks for any of it
            if played.pcm.count(0) != len(played.pcm):
                self.last_sound = max(self.last_sound, played.at)

    def at(self, time_s: float) -> Block:
        """The 10 ms that belong to what the microphone heard from `time_s` on."""
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
        """As `at`, for 10 ms that nobody wants: what comes after them keeps its place. Found anew by the clocks it
        would be right to within a millisecond only, and the canceller's filter is worth nothing some samples beside."""
        if self._next is not None:
            wanted = self._clock.index(time_s - _MARGIN_S)
            self._next = self._follow(wanted) + self._rate_hz // _BLOCKS_PER_S

    def _begin(self, played: Played) -> None:
        self._stream, self._rate_hz = played.stream, played.rate_hz
        self._clock = PlayClock(played.rate_hz)
        self._tape = Tape(played.start)
        self._next = None

    def _follow(self, wanted: int) -> int:
        if self._next is None:
            return wanted
        apart = wanted - self._next
        if abs(apart) > _JUMP_S * self._rate_hz:
            return wanted
        if abs(apart) > _SLIP_S * self._rate_hz:
            return self._next + (1 if apart > 0 else -1)
        return self._next
