"""The loudspeaker as the loop sees it: writes that wait for room, a reversible hold, and what is audible.

Knows no device: the code that pulls from the ring (a sound card's callback, a file, a test) reports it with `pulled()`.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from voiceloop.playback.jitter_buffer import JitterBuffer
from voiceloop.playback.ring import Ring
from voiceloop.types import SAMPLE_BYTES


class Speaker:
    """The writing end of the ring.

    `rate_hz` is the rate that the device really runs at; `write` takes int16, mono, at that rate. `latency_s` is the
    time from the ring to the air. `jitter_buffer` says how much must be buffered before a reply begins; it is shown the
    synthesiser's pieces. Without one, the ring's own prefill always holds. Methods that are not `async` act at once;
    all but `cancel` can be undone.
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
        """The device has been gone for long: nothing is played, and everything written counts as stale."""
        self.on_ready: Callable[[], None] | None = None
        """Starts a device that was stopped after a silence. Set by the device's task."""
        self.on_use: Callable[[], None] | None = None
        """Keeps a device that is not stopped going. Set by the device's task."""
        self.watch: Callable[[Speaker], None] | None = None
        """Called after every pull, for a trace."""
        self._chime_end = 0
        """The position where the last chime ends."""
        self._holds_next = False
        """Hold as soon as the chime has ended."""
        self._changed = trio.lowlevel.ParkingLot()
        self._sounded = ring.sounded
        self._last_sound = float("-inf")

    @property
    def rate_hz(self) -> int:
        return self.ring.rate_hz

    @property
    def epoch(self) -> int:
        """The epoch to write under: the latest that `cancel` returned."""
        return self.ring.epoch

    @property
    def written(self) -> int:
        """The absolute position, in samples, of the next sample written. Read before and after a write, it gives the
        span of that write."""
        return self.ring.written

    @property
    def played(self) -> int:
        """The absolute position of the next sample that the device takes; it is heard `latency_s` later."""
        return self.ring.position

    @property
    def spare_s(self) -> float:
        """How many seconds of the reply are still to be played, beyond the jitter buffer's level. Negative when it
        would not begin, or go on, with what is written."""
        return self.ring.pending / self.rate_hz - self.jitter_buffer.seconds

    def played_in(self, start: int, end: int) -> int:
        """How many samples of the span from `start` to `end` (positions, as `written` gives them) were played."""
        return self.ring.played_in(start, end)

    @property
    def gain(self) -> float:
        """Linear; a change is ramped over some ms (ducking)."""
        return self.ring.gain

    @gain.setter
    def gain(self, gain: float) -> None:
        self.ring.gain = gain

    async def write(self, pcm: bytes | memoryview, *, epoch: int) -> bool:
        """Write whole samples into the ring, waiting for room. Returns False as soon as `epoch` is stale: the caller
        must stop then."""
        rest = memoryview(pcm)
        # Updated before each write, so that a reply goes on after an underrun with the latest prefill.
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
        """A chunk is complete and the next may be late: play it at once, even if it is shorter than the prefill."""
        self.ring.enough(epoch)
        self._go_on()

    def finish(self, *, epoch: int) -> None:
        """The reply is complete: play it even if shorter than the prefill, and don't count its end as an underrun."""
        self.ring.finish(epoch)
        self._go_on()

    async def drained(self, *, epoch: int) -> bool:
        """Complete the reply (`finish`) and wait until all of it was heard. Returns False if `epoch` is stale."""
        self.finish(epoch=epoch)
        end = self.ring.written
        await trio.lowlevel.checkpoint()
        while epoch == self.ring.epoch and not self.away:
            if self.ring.position >= end:
                if trio.current_time() >= self._heard_until():
                    return True
                await self._change_until(self._heard_until())
            else:
                await self._changed.park()
        return False

    def chime(self, pcm: bytes) -> bool:
        """Play a short sound at once, even during a hold, which ends. Returns False, and plays nothing, if a reply is
        audible or waits, or the device is away."""
        if self.away or self.ring.pending > 0 or (self.audible and not self.chiming):
            return False
        self.resume()
        self.gain = 1.0
        self.ring.write(pcm, self.epoch)
        self._chime_end = self.written
        self.finish(epoch=self.epoch)
        return True

    @property
    def chiming(self) -> bool:
        """Whether a chime, and nothing else, sounds or is about to."""
        return self._chime_end == self.written and self.audible

    def cancel(self) -> int:
        """Discard everything written, and end a hold. Returns the epoch to write the next reply under."""
        epoch = self.ring.cancel()
        self._holds_next = False
        self._wake_waiters()
        return epoch

    def hold(self) -> None:
        """Hold the reply: fade out and stop. Nothing is lost; `resume` goes on from the sample where it stopped. A
        chime is played to its end before."""
        self._holds_next = self.chiming
        self.ring.hold = not self._holds_next
        self._wake_waiters()

    def resume(self) -> None:
        """End a hold."""
        self.ring.hold = self._holds_next = False
        self._go_on()
        self._wake_waiters()

    @property
    def held(self) -> bool:
        return self.ring.hold

    @property
    def sounding(self) -> bool:
        """Whether the last block that the device took was anything but silence."""
        return self.ring.sounding

    @property
    def audible(self) -> bool:
        """Whether something is sounding or about to sound, taking the device's latency into account."""
        return self._about_to_sound() or trio.current_time() < self._heard_until()

    async def silent(self) -> None:
        """Wait until nothing is audible."""
        await trio.lowlevel.checkpoint()
        while self.audible:
            if self._about_to_sound():
                await self._changed.park()
            else:
                await self._change_until(self._heard_until())

    def ready(self) -> None:
        """Start the device if it was stopped after a silence. For example at the onset of speech, before there is a
        reply."""
        if self.on_ready is not None:
            self.on_ready()

    def _go_on(self) -> None:
        """Start the device if something waits to be played, else keep it going: each sign of voice holds and resumes,
        also in silence. That is to start nothing, but a device that runs is to run on until the reply comes: opened
        together with the reply's first sound it would be late, and its echo unknown."""
        if self.ring.pending > 0:
            self.ready()
        elif self.on_use is not None:
            self.on_use()

    def pulled(self) -> None:
        """The device has read from the ring. To be called soon afterwards, in Trio's thread."""
        if self.ring.sounded != self._sounded:
            self._sounded = self.ring.sounded
            self._last_sound = trio.current_time()
        if self._holds_next and not self.chiming:
            self.hold()
        if self.watch is not None:  # before the writer wakes, which overwrites what was read
            self.watch(self)
        self._wake_waiters()

    async def changed(self) -> None:
        """Wait until something was pulled, cancelled, held or resumed."""
        await self._changed.park()

    def gone(self, *, away: bool) -> None:
        """Set `away`. Going away discards what is buffered: no writer may wait for a device that may never return."""
        self.away = away
        if away:
            held = self.held or self._holds_next
            self.cancel()
            if held:  # `cancel` ended the hold, but its reason remains: the user is speaking
                self.hold()

    def _about_to_sound(self) -> bool:
        if self.away:
            return False
        return self.ring.sounding or (self.ring.pending > 0 and not self.ring.hold)

    def _heard_until(self) -> float:
        return self._last_sound + self.latency_s

    def _wake_waiters(self) -> None:
        self._changed.unpark_all()

    async def _change_until(self, deadline: float) -> None:
        with trio.move_on_at(deadline):
            await self._changed.park()
