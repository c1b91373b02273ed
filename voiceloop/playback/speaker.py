"""The loudspeaker as the loop sees it: writes that wait, and what is sounding.

Knows no device: whoever pulls from the ring (a sound card's callback, a file, a test) says so with `pulled()`.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from voiceloop.playback.jitter_buffer import JitterBuffer
from voiceloop.playback.ring import Ring
from voiceloop.types import SAMPLE_BYTES


class Speaker:
    """One writer's end of the ring. `rate_hz` is what the device really runs at; `write` takes int16, mono, at it.

    `latency_s` is the time from the ring to the air; `jitter_buffer`, which the synthesiser's pieces are shown to, says
    how much must be in hand (without it: the ring's own, always). All that is not `async` acts at once and can be undone,
    apart from `cancel`.
    """

    def __init__(
        self, ring: Ring, *, latency_s: float = 0.0, description: str = "", jitter_buffer: JitterBuffer | None = None
    ) -> None:
        self.ring = ring
        fixed_s = ring.prefill / ring.rate_hz
        self.jitter_buffer = jitter_buffer or JitterBuffer(least_s=fixed_s, most_s=fixed_s)
        self.latency_s = latency_s
        self.description = description
        self.away = False
        """The device is gone for good or long: nothing is played, what is written counts as stale."""
        self.on_ready: Callable[[], None] | None = None
        """What starts a device that was stopped after a silence; set by the device's task."""
        self.watch: Callable[[Speaker], None] | None = None
        """Told of every pull, for a trace."""
        self._changed = trio.lowlevel.ParkingLot()
        self._sounded = ring.sounded
        self._last_sound = float("-inf")

    @property
    def rate_hz(self) -> int:
        return self.ring.rate_hz

    @property
    def epoch(self) -> int:
        """What to write under: the latest that `cancel` returned."""
        return self.ring.epoch

    @property
    def written(self) -> int:
        """The absolute position, in samples, of what is written next. Taken before and after: a span."""
        return self.ring.written

    @property
    def played(self) -> int:
        """The absolute position of what the device takes next; it is heard `latency_s` later."""
        return self.ring.position

    def played_in(self, start: int, end: int) -> int:
        """How many samples of the span `start` to `end` (as `written` gave them) were played."""
        return self.ring.played_in(start, end)

    @property
    def gain(self) -> float:
        """Linear; a change is ramped over some ms (ducking)."""
        return self.ring.gain

    @gain.setter
    def gain(self, gain: float) -> None:
        self.ring.gain = gain

    async def write(self, pcm: bytes | memoryview, *, epoch: int) -> bool:
        """Put whole samples into the ring, waiting for room. False as soon as `epoch` is stale: stop then."""
        rest = memoryview(pcm)
        # Before each write, so that what ran dry in mid-reply goes on with what it needs by now.
        self.ring.prefill = min(round(self.jitter_buffer.seconds * self.rate_hz), self.ring.capacity)
        await trio.lowlevel.checkpoint()
        while epoch == self.ring.epoch and not self.away:
            rest = rest[self.ring.write(rest, epoch) * SAMPLE_BYTES :]
            self.ready()
            if not len(rest):
                return True
            await self._changed.park()
        return False

    def enough(self, *, epoch: int) -> None:
        """Say that a stretch is complete and the next may be late, so that a short one is played at once."""
        self.ring.enough(epoch)
        self.ready()

    def finish(self, *, epoch: int) -> None:
        """Say that the reply is complete, so that a short one is played and its end is no underrun."""
        self.ring.finish(epoch)
        self.ready()

    async def drained(self, *, epoch: int) -> bool:
        """Wait until all written under `epoch` was heard; it counts as complete (`finish`). False if it is stale."""
        self.finish(epoch=epoch)
        end = self.ring.written
        await trio.lowlevel.checkpoint()
        while epoch == self.ring.epoch and not self.away:
            if self.ring.position >= end:
                if trio.current_time() >= self._heard_until():
                    return True
                await self._change_or(self._heard_until())
            else:
                await self._changed.park()
        return False

    def cancel(self) -> int:
        """Make all that was written stale, and end a hold. Returns the epoch to write the next reply under."""
        epoch = self.ring.cancel()
        self._tell()
        return epoch

    def hold(self) -> None:
        """Fade out and freeze: nothing is lost, `resume` goes on from the frozen sample."""
        self.ring.hold = True
        self._tell()

    def resume(self) -> None:
        """End a hold."""
        self.ring.hold = False
        self.ready()
        self._tell()

    @property
    def held(self) -> bool:
        return self.ring.hold

    @property
    def sounding(self) -> bool:
        """Whether the device was given anything but silence when it last took a block."""
        return self.ring.sounding

    @property
    def audible(self) -> bool:
        """Whether something is sounding or about to, the device's latency included."""
        return self._about_to_sound() or trio.current_time() < self._heard_until()

    async def silent(self) -> None:
        """Wait until nothing is audible."""
        await trio.lowlevel.checkpoint()
        while self.audible:
            if self._about_to_sound():
                await self._changed.park()
            else:
                await self._change_or(self._heard_until())

    def ready(self) -> None:
        """Start the device if it was stopped after a silence: at the onset of speech, say, before there is a reply."""
        if self.on_ready is not None:
            self.on_ready()

    def pulled(self) -> None:
        """The device has read from the ring. Called in Trio's thread, soon after."""
        if self.ring.sounded != self._sounded:
            self._sounded = self.ring.sounded
            self._last_sound = trio.current_time()
        if self.watch is not None:  # before the writer, which reuses the room
            self.watch(self)
        self._tell()

    async def changed(self) -> None:
        """Wait until something was pulled, cancelled, held or resumed."""
        await self._changed.park()

    def gone(self, *, away: bool) -> None:
        """Set `away`. Going away discards what waits, so that no writer waits for a device that may never return."""
        self.away = away
        if away:
            held = self.held
            self.cancel()
            if held:  # whoever speaks still does
                self.hold()

    def _about_to_sound(self) -> bool:
        if self.away:
            return False
        return self.ring.sounding or (self.ring.pending > 0 and not self.ring.hold)

    def _heard_until(self) -> float:
        return self._last_sound + self.latency_s

    def _tell(self) -> None:
        self._changed.unpark_all()

    async def _change_or(self, deadline: float) -> None:
        with trio.move_on_at(deadline):
            await self._changed.park()
