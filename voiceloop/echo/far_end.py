"""The far end: the played signal, aligned with the microphone's samples by counting both. Pure.

    time, from         PlayClock and CaptureClock  --->
    loudspeaker        | block 1 | block 2 | block 3 |
    microphone                   | with 1  | with 2  |      each 10 ms with the block played 10 ms (`_MARGIN_S`) before

The echo of a block comes later still, by the delay of the devices and the room; the canceller finds it. That delay may
be long, but it must not change: a shift by a dozen samples voids the canceller's filter (42 to 49 dB fall to 8 to 21).
The times of callbacks are no clock for that. With PulseAudio the microphone's blocks come 14 to 25 ms later from the
first seconds on, and move by 5 ms on a busy machine, while the true delay is constant to 0.06 ms. So the clocks only
place a stream, and from there on both sides are counted.
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
_BEHIND_S = 0.5
"""How much of what was read is kept: `shift` may go back by so much."""
_APART_S = 0.060
"""Callback times differ from the count by up to 33 ms. If it is more, a device stood still, or the clocks of two
devices have drifted apart in the course of minutes."""
_SILENT_APART_S = 0.0005
_AHEAD_STEPS = 3
"""The microphone may be ahead of the loudspeaker's last callback for so long: a callback is late. After that the device
has taken fewer samples than time has passed, which it tells nobody: it had an underrun."""
_ENDED_S = 1.0
_SHIFTED_S = 0.150
"""How far the delay may be followed from the place that the clock gave. What is farther away was found by chance."""
_LATELY = 40
"""Blocks (0.4 s): no more than the echo's delay is measured over."""
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


class _Stream:
    """What one opening of the device played, up to an underrun: contiguous samples and their clock."""

    def __init__(self, number: int, start: int, rate_hz: int) -> None:
        self.number, self.start, self.rate_hz = number, start, rate_hz
        self.clock = PlayClock(rate_hz)
        self.tape = Tape(start)
        self.offsets: deque[float] = deque(maxlen=_LATELY)
        """When sample 0 was taken, by each of the latest blocks. Callbacks come late at times: the least is right."""
        self.sounds_from: int | None = None
        """The first sample of the first block that is not silence. Until it is read, alignment costs nothing."""

    def add(self, played: Played, *, silent: bool) -> None:
        if self.sounds_from is None and not silent:
            self.sounds_from = self.tape.end
        self.tape.append(played.pcm)
        self.clock.block(played.start, played.at)
        self.offsets.append(played.at - played.start / self.rate_hz)
        self.tape.forget_before(self.tape.end - _KEPT_S * self.rate_hz)  # in case nobody reads


class FarEnd:
    """The played signal on the microphone's time axis, 10 ms at a time.

    A stream is placed where its clock says, and then read on contiguously. It is placed anew only by an event: `shift`,
    while nothing but silence was read of it, or when one of the devices stood still. A stream that follows another (the
    device was reopened, or had an underrun) begins where its own clock says; until then the one before is read to its
    end, because that is still to be heard. Where nothing was played, or nothing is known, the signal is silence.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._streams: deque[_Stream] = deque()
        """The one that is read, and those that follow it."""
        self._next: int | None = None
        """The next sample to read."""
        self._hundredths = 0
        """How far reading is beyond `_next`: at a rate like 22,050 Hz 10 ms are no whole number of samples."""
        self._ahead = 0
        """For how many steps in a row nothing of what was played was there to be read."""
        self._end = 0
        """The end of the stream when that began."""
        self._shifted = 0
        """By how many samples `shift` has moved this stream from the place that its clock gave."""
        self.streams = 0
        """How many streams were begun: the canceller's filter is void after each."""
        self.jumps = 0
        """How often a stream was placed anew because a device had stood still: the same holds."""
        self.last_sound = float("-inf")
        """When the device took the last block that was not silence, in seconds."""

    def behind_s(self, time_s: float) -> float:
        """How long before `time_s` the device took the sample that is read next, by its latest callbacks."""
        if not self._streams or self._next is None:
            return _MARGIN_S
        stream = self._streams[0]
        return time_s - min(stream.offsets) - self._next / stream.rate_hz

    def gather(self) -> None:
        """Fetch the blocks that were played since the last call."""
        for played in self._source.take():
            silent = played.pcm.count(0) == len(played.pcm)
            if not silent:
                self.last_sound = max(self.last_sound, played.at)
            newest = self._streams[-1] if self._streams else None
            if newest is None or played.stream != newest.number or played.start != newest.tape.end:
                newest = _Stream(played.stream, played.start, played.rate_hz)
                self._streams.append(newest)
            newest.add(played, silent=silent)

    def at(self, time_s: float) -> Block:
        """Return the 10 ms of the far end that belong to the 10 ms that the microphone captured from `time_s` on."""
        stream = self._follow(time_s)
        if stream is None or self._next is None:
            return Block(bytes(CAPTURE_RATE_HZ // _BLOCKS_PER_S * SAMPLE_BYTES), CAPTURE_RATE_HZ)
        tape, start, count = stream.tape, self._next, stream.rate_hz // _BLOCKS_PER_S
        end = start + count
        self._advance(stream)
        tape.forget_before(min(start - round(_BEHIND_S * stream.rate_hz), tape.end))
        first, last = max(start, tape.start), min(end, tape.end)
        self._ahead = self._ahead + 1 if start >= tape.end else 0
        if self._ahead == 1:
            self._end = tape.end
        if first >= last:
            return Block(bytes(count * SAMPLE_BYTES), stream.rate_hz)
        before, after = bytes((first - start) * SAMPLE_BYTES), bytes((end - last) * SAMPLE_BYTES)
        return Block(before + tape.between(first, last) + after, stream.rate_hz)

    def skip(self, time_s: float) -> None:
        """Move on by 10 ms without returning them, so that the following blocks keep their alignment."""
        stream = self._follow(time_s)
        if stream is not None and self._next is not None:
            self._advance(stream)

    def shift(self, seconds: float) -> bool:
        """The echo has come to be so much later (negative: earlier): read the far end so much later, too.

        Returns False if that would be too far: then the far end is placed by the clock at the next step.
        """
        if not self._streams or self._next is None:
            return False
        stream = self._streams[0]
        samples = round(seconds * stream.rate_hz)
        self._next -= samples
        self._shifted += samples
        if abs(self._shifted) <= _SHIFTED_S * stream.rate_hz and self._next < stream.tape.end:
            return True
        self._next = None
        return False

    def _advance(self, stream: _Stream) -> None:
        assert self._next is not None
        self._hundredths += stream.rate_hz
        self._next += self._hundredths // _BLOCKS_PER_S
        self._hundredths %= _BLOCKS_PER_S

    def _follow(self, time_s: float) -> _Stream | None:
        """Return the stream that is heard at `time_s`, with `_next` at the sample to read."""
        while len(self._streams) > 1 and self._reached(self._streams[1], time_s):
            self._streams.popleft()
            self._next = None
        if not self._streams:
            return None
        stream = self._streams[0]
        if self._next is not None and self._next > stream.tape.end + _ENDED_S * stream.rate_hz:
            self._streams.popleft()  # closed, and read to its end
            self._next = None
            return self._follow(time_s)
        placed = stream.clock.index(time_s - _MARGIN_S)
        if self._next is None:
            self.streams += 1
        elif not self._misplaced(stream, abs(placed - self._shifted - self._next)):
            return stream
        self._next, self._shifted, self._hundredths, self._ahead = placed, 0, 0, 0
        return stream

    def _misplaced(self, stream: _Stream, apart: int) -> bool:
        """Whether `stream` is to be placed anew, where the clock is `apart` samples from the count."""
        assert self._next is not None
        ahead = self._ahead > _AHEAD_STEPS and stream.tape.end > self._end  # else it takes nothing: it is closed
        if ahead or apart > _APART_S * stream.rate_hz:
            self.jumps += 1
            return True
        silent = stream.sounds_from is None or self._next <= stream.sounds_from
        return silent and apart > _SILENT_APART_S * stream.rate_hz

    def _reached(self, stream: _Stream, time_s: float) -> bool:
        """Whether the microphone's 10 ms from `time_s` on reach the beginning of `stream`."""
        return stream.clock.index(time_s - _MARGIN_S) + stream.rate_hz // _BLOCKS_PER_S > stream.start
