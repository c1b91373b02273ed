"""The far end where the loudspeaker's sound is captured, at its monitor, instead of played by this program. Pure.

    monitor      |--- 20 ms ---|--- 20 ms ---|           captured by a stream and a clock of its own
    microphone        |--- 20 ms ---|--- 20 ms ---|      hears the same sound later

Either stream may be delivered later than the other, by more than the echo takes, and the far end must not come after
its echo. So the monitor's sound counts as played `_LEAD_S` before it was captured, and the microphone's frames wait
until the monitor's are there (`waiting_cleaner.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from voiceloop.playback.tap import Played
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Gap

_LEAD_S = 0.050
"""The times of two PulseAudio streams differ by up to 25 ms within the first seconds, on a busy machine by 30."""
_WAITING = 1_500
"""30 s in frames of 20 ms: of what nobody gathers the oldest is forgotten. What follows is a new stream."""
_KEPT_S = 12.0
"""How far back speech is compared with what was played."""


class CapturedFarEnd:
    """A `far_end.Source`. Give it each frame or gap of the monitor.

    `captured` tells when a sample of the monitor was captured, in seconds of the clock that the microphone's have, too.
    """

    def __init__(self, captured: Callable[[int], float]) -> None:
        self._captured = captured
        self._new: deque[Played] = deque(maxlen=_WAITING)  # a microphone that is lost gathers nothing
        self._recent: deque[Played] = deque()
        self._stream, self._start = 1, 0
        self._next: int | None = None
        self.until = float("-inf")
        """Until when the sound is there, in seconds, as `Played.at` counts them."""

    def add(self, item: Frame | Gap) -> None:
        """Take the monitor's next frame or gap. What follows a gap is a new stream."""
        if isinstance(item, Gap):
            self._next = None
            return
        if item.index != self._next:
            self._stream, self._start = self._stream + 1, 0
        self._next = item.end
        at = self._captured(item.index) - _LEAD_S
        played = Played(item.pcm, self._stream, self._start, CAPTURE_RATE_HZ, at)
        self._start += item.samples
        self.until = at + item.samples / CAPTURE_RATE_HZ
        self._new.append(played)
        self._recent.append(played)
        while self._recent[0].at < at - _KEPT_S:
            self._recent.popleft()

    def take(self) -> list[Played]:
        """Return the blocks since the last call."""
        blocks = list(self._new)
        self._new.clear()
        return blocks

    def between(self, start_s: float, end_s: float) -> bytes:
        """What was played in that time: int16, mono, 16 kHz, in whole frames. At most the last 12 s are known."""
        blocks = [
            block
            for block in self._recent
            if start_s - len(block.pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ < block.at < end_s
        ]
        return b"".join(block.pcm for block in blocks)
