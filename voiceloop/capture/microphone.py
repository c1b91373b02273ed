"""The microphone: a bounded channel of frames that survives the loss of its device."""

from __future__ import annotations

from collections.abc import Callable

import trio

from voiceloop.capture.bridge import Haste
from voiceloop.capture.clock import CaptureClock
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap

Item = Frame | Gap

_CALM_BLOCKS = 3


class Microphone:
    """What `open_microphone` gives. Sample indices count from its opening, at 16 kHz."""

    def __init__(self, frames: trio.MemoryReceiveChannel[Item], description: str) -> None:
        self.frames = frames
        """20 ms frames, and a gap where the device was lost. Ends where a file ends."""
        self.description = description
        self.received = 0
        """Samples that came from the device, at 16 kHz."""
        self.dropped = 0
        """Those of them that nobody fetched for 30 s."""
        self.overflows = 0
        """How often PortAudio said that samples were lost before they reached us."""
        self.haste = Haste()
        self.clock = CaptureClock(CAPTURE_RATE_HZ)
        """`clock(index)`: when a sample was captured, in seconds of `time.monotonic`."""
        self.switched: Callable[[], None] = lambda: None
        """Called when it was muted or unmuted."""
        self._audible = trio.Event()
        self._audible.set()

    @property
    def muted(self) -> bool:
        """Whether its device is closed because the user wants it so."""
        return not self._audible.is_set()

    def mute(self, *, muted: bool) -> None:
        """Close the device, or open it again; a gap marks where. Never waits."""
        if muted and not self.muted:
            self._audible = trio.Event()
        elif self.muted and not muted:
            self._audible.set()
        else:
            return
        self.switched()

    async def unmuted(self) -> None:
        """Wait until it is not muted."""
        while self.muted:
            await self._audible.wait()

    def relax(self, *, calm: bool) -> None:
        """While it is calm frames may come three at a time: waking the loop is half of what listening costs."""
        self.haste.blocks = _CALM_BLOCKS if calm else 1

    @property
    def lost(self) -> int:
        """Samples that the device itself lost, estimated from the clock."""
        return self.clock.lost
