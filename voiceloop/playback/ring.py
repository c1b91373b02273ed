"""The ring buffer between the loop and the loudspeaker's callback. Pure: knows no device, clock, task or lock.

One writer (the loop) and one reader (the output callback, in its own thread) share it without a lock. Each field is
written by one side only, in one assignment, which the GIL makes atomic:

    the loop        epoch and its first position, gain, hold, prefill, end of what is written, end of the reply
    the callback    end of what is read, whether anything is sounding

Positions are absolute: a position is the number of samples written before it. So it can be asked at any time how much
of any span of a reply was played.

A reply, and what `cancel` does:

    written     rrrrrrrrrrrrrrrrrrrr|nnnnnnnnn
                      ^ position    ^ first position of the new epoch
                      (read next)     after cancel: the next read fades out, skips to here and plays on
"""

from __future__ import annotations

from array import array
from collections import deque

from voiceloop.types import SAMPLE_BYTES

_FADE_S = 0.005
"""The length of a fade: long enough to avoid a click, short enough not to be heard as a fade."""
_UNIT_BITS = 24
_UNIT = 1 << _UNIT_BITS
"""A gain of 1, in fixed point."""
_SKIPS_KEPT = 64
"""How many discarded spans are remembered for `played_in`: more than one reply has spans."""


class Ring:
    """Samples (int16, mono) on their way to the loudspeaker: bounded, preallocated, first in, first out.

    A reply begins to sound, or goes on after an underrun, once one of these holds: `prefill` samples are buffered; the
    buffered samples need not wait for more (`enough`); the reply is complete (`finish`). `cancel` raises the epoch: the
    next read fades out what is sounding, and discards everything that was written before.
    """

    def __init__(self, capacity: int, rate_hz: int, *, prefill: int = 0) -> None:
        self.capacity = capacity
        self.rate_hz = rate_hz
        self.prefill = min(prefill, capacity)
        """The jitter buffer's fill level at the start, in samples; at most the capacity, else nothing would sound."""
        self.gain = 1.0
        """Linear; a change is ramped over a fade."""
        self.hold = False
        """While held, reads give silence and do not advance."""
        self._fade = max(1, round(rate_hz * _FADE_S))
        self._bytes = memoryview(bytearray(capacity * SAMPLE_BYTES))
        # Written by the loop only.
        self._cut = (0, 0)  # the epoch and its first position: one tuple, so that a read sees both or neither
        self._written = 0
        self._finished_at = -1
        self._enough_at = -1
        # Written by the callback only.
        self._read = 0
        self._level = 1.0  # the gain of the last sample played
        self._started = False
        self._underrun_at = -1
        self._skips: deque[tuple[int, int]] = deque(maxlen=_SKIPS_KEPT)
        self.played = 0
        """Samples of replies played since the beginning, without silence and without fades that are played again."""
        self.underruns = 0
        """How often a reply stopped in the middle because its next samples had not been written yet."""
        self.sounded = 0
        """How many reads put out anything but silence."""
        self.sounding = False
        """Whether the last read put out sound, not silence, up to its end."""

    @property
    def epoch(self) -> int:
        return self._cut[0]

    @property
    def written(self) -> int:
        """The absolute position of the next sample to be written."""
        return self._written

    @property
    def position(self) -> int:
        """The absolute position of the next sample to be played; all samples before it were played or discarded."""
        return max(self._read, self._cut[1])

    @property
    def pending(self) -> int:
        """Samples of this epoch that are still to be played."""
        return self._written - self.position

    @property
    def room(self) -> int:
        """How many samples `write` would take now. Discarded samples make room only after the next read."""
        return self.capacity - (self._written - self._read)

    def write(self, pcm: bytes | memoryview, epoch: int) -> int:
        """Write as many samples as there is room for; returns how many. None if `epoch` is stale.

        Raises ValueError when `pcm` ends in the middle of a sample.
        """
        count, rest = divmod(len(pcm), SAMPLE_BYTES)
        if rest:
            raise ValueError(f"{len(pcm)} bytes are not whole samples")
        if epoch != self.epoch:
            return 0
        count = min(count, self.room)
        source = memoryview(pcm)
        start = self._written % self.capacity * SAMPLE_BYTES
        first = min(count * SAMPLE_BYTES, len(self._bytes) - start)
        self._bytes[start : start + first] = source[:first]
        second = count * SAMPLE_BYTES - first
        self._bytes[:second] = source[first : first + second]
        self._written += count  # assigned last, so that the callback never sees samples that are not there yet
        return count

    def finish(self, epoch: int) -> None:
        """The reply is complete: play what is buffered, however little, and don't count its end as an underrun."""
        if epoch == self.epoch:
            self._finished_at = self._written

    def enough(self, epoch: int) -> None:
        """What follows may be late: play what is buffered, however little. If nothing follows in time, that is an
        underrun."""
        if epoch == self.epoch:
            self._enough_at = self._written

    def cancel(self) -> int:
        """Raise the epoch: nothing written so far is played any more. Ends a hold. Returns the new epoch."""
        self._cut = (self.epoch + 1, self._written)
        self.hold = False
        return self.epoch

    def played_in(self, start: int, end: int) -> int:
        """How many samples of the span from `start` to `end` (absolute positions) were played."""
        read = self._read  # read before `_skips`: a skip added in between lies beyond this position
        end = min(end, read)
        lost = sum(max(0, min(end, b) - max(start, a)) for a, b in tuple(self._skips))
        return max(0, end - start - lost)

    def recent(self, count: int) -> bytes:
        """The last `count` samples that were read, as they were written; without those overwritten since."""
        end = self._read
        start = max(end - count, self._written - self.capacity, 0)
        if start >= end:
            return b""
        first, last = start % self.capacity * SAMPLE_BYTES, (end - 1) % self.capacity * SAMPLE_BYTES + SAMPLE_BYTES
        if first < last:
            return bytes(self._bytes[first:last])
        return bytes(self._bytes[first:]) + bytes(self._bytes[:last])

    # The methods below run in the output callback: a few µs, no memory that grows, no lock, no exception.

    def read_into(self, out: memoryview) -> None:
        """Fill `out` (bytes, whole samples) with the next samples to play, and with silence where there are none."""
        wanted = len(out) // SAMPLE_BYTES
        done = 0
        self.sounding, was_sounding = False, self.sounding
        start = self._cut[1]
        if self._read < start:
            done = self._drop(out, start, audible=was_sounding)
            was_sounding = False
        if self.hold:
            if was_sounding:
                done += self._ramp(out, done, min(self._fade, wanted - done, self._written - self._read), to=0.0)
            self._level = 0.0
        else:
            done += self._play(out, done, wanted - done)
        if done:
            self.sounded += 1
        if done < wanted:
            out[done * SAMPLE_BYTES :] = bytes((wanted - done) * SAMPLE_BYTES)

    def rest(self) -> None:
        """The reader has stopped: nothing is sounding any more, and the next read fades in from silence. Called by the
        reader's side."""
        self.sounding, self._level = False, 0.0

    def _drop(self, out: memoryview, start: int, *, audible: bool) -> int:
        """Discard the samples before `start`, with a fade if they are `audible`. Returns how many were put out."""
        count = 0
        if audible:
            count = self._ramp(out, 0, min(self._fade, len(out) // SAMPLE_BYTES, start - self._read), to=0.0)
        self._skips.append((self._read, start))
        self._read = start
        self._started = False
        self._underrun_at = -1
        self._level = self.gain
        return count

    def _play(self, out: memoryview, at: int, room: int) -> int:
        written = self._written
        available = written - self._read
        finished = self._finished_at == written
        if not self._started and not self._start(available, finished=finished):
            return 0
        count = min(available, room)
        if available <= room and not finished:
            self._play_last(out, at, count)
        elif self._level == self.gain:
            self._copy(out, at, count)
            if self._level != 1.0:
                self._scale(out, at, count, self._level, 0.0)
        else:
            self._ramp(out, at, count, to=self.gain)
        self._read += count
        self.played += count
        self._started = available >= room
        self.sounding = self._started and count > 0
        return count

    def _start(self, available: int, *, finished: bool) -> bool:
        """Begin a reply, or go on after an underrun, if enough is buffered. Returns whether it was."""
        waits = available < self.prefill and not finished and self._enough_at <= self._read
        if waits or not available:
            return False
        if self._underrun_at == self._read != self._finished_at:
            self.underruns += 1
        elif self._level:  # only after a hold is there a fade-in; a reply begins at full gain
            self._level = self.gain
        self._started = True
        return True

    def _play_last(self, out: memoryview, at: int, count: int) -> None:
        """Play the last `count` buffered samples with a fade-out, so that there is no click if no more come in time."""
        fade = min(self._fade, count)
        self._ramp(out, at, count - fade, to=self.gain, advance=0)
        self._ramp(out, at + count - fade, fade, to=0.0, advance=count - fade)
        self._level = 0.0
        self._underrun_at = self._read + count

    def _copy(self, out: memoryview, at: int, count: int, advance: int = 0) -> None:
        start = (self._read + advance) % self.capacity * SAMPLE_BYTES
        first = min(count * SAMPLE_BYTES, len(self._bytes) - start)
        second = count * SAMPLE_BYTES - first
        to = at * SAMPLE_BYTES
        out[to : to + first] = self._bytes[start : start + first]
        out[to + first : to + first + second] = self._bytes[:second]

    def _ramp(self, out: memoryview, at: int, count: int, *, to: float, advance: int = 0) -> int:
        """Put out `count` samples while the gain goes to `to` over the length of a fade; returns `count`."""
        self._copy(out, at, count, advance)
        steps = min(count, self._fade)
        if steps:
            self._scale(out, at, steps, self._level, (to - self._level) / steps)
            if to != 1.0:
                self._scale(out, at + steps, count - steps, to, 0.0)
            self._level = to
        return count

    @staticmethod
    def _scale(out: memoryview, at: int, count: int, gain: float, step: float) -> None:
        """Multiply `count` samples from `at` on by a gain that grows by `step` a sample.

        In integers, without NumPy: 40 µs for 10 ms at 24 kHz, and only while the gain is not 1.
        """
        samples = out[at * SAMPLE_BYTES : (at + count) * SAMPLE_BYTES].cast("h")
        one, each = round(gain * _UNIT), round(step * _UNIT)
        if each:
            factors = range(one + each, one + each * (count + 1), each)
            scaled = [s * factor >> _UNIT_BITS for s, factor in zip(samples.tolist(), factors, strict=True)]
        else:
            scaled = [s * one >> _UNIT_BITS for s in samples.tolist()]
        if max(one, one + each * count) > _UNIT:
            scaled = [-32768 if s < -32768 else 32767 if s > 32767 else s for s in scaled]
        samples[:] = array("h", scaled)
