"""Holds the microphone's frames back until what the loudspeaker played meanwhile has been captured, too. Pure.

    monitor      ===================|             captured so far
    microphone   ==================|=======|      these wait, for 0.3 s at most
                                   +--> Canceller --> clean

Its only clocks are the sample counts of both streams. A frame keeps its index, so holding it back moves no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from voiceloop.audio.tape import Tape
from voiceloop.echo.canceller import Canceller
from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap

_LONGEST_S = 0.3
"""How long a frame waits for the far end. A monitor that is lost, or muted, delivers nothing."""
_SETTLED_S = 3.0
_KEPT = 12 * CAPTURE_RATE_HZ


class WaitingCleaner:
    """A `listener.Cleaner`: the canceller, given each frame when its far end is there.

    `captured` tells when a sample of the microphone was captured, in seconds of the clock that the monitor's have, too.
    """

    def __init__(self, canceller: Canceller, far: CapturedFarEnd, captured: Callable[[int], float]) -> None:
        self._canceller, self._far, self._captured = canceller, far, captured
        self._waiting: deque[Frame | Gap] = deque()
        self._raw = Tape()
        self._end = 0

    def take(self, item: Frame | Gap) -> Iterator[Frame | Gap]:
        """Take a frame or gap; return those that need not wait any longer, one at a time as they are processed, so that
        `echo_only` is always about the last one."""
        self._waiting.append(item)
        if isinstance(item, Frame):
            self._end = item.end
        while self._waiting and self._is_due(self._waiting[0]):
            yield from self._clean(self._waiting.popleft())

    def flush(self) -> Iterator[Frame | Gap]:
        """Return everything that is still held back."""
        while self._waiting:
            yield from self._clean(self._waiting.popleft())
        yield from self._canceller.flush()

    def is_residual_echo(self, pcm: bytes) -> bool:
        """Whether a cleaned frame holds only residual echo."""
        return self._canceller.is_residual_echo(pcm)

    @property
    def echo_only(self) -> bool:
        """Whether all that the microphone hears now is what the loudspeaker plays."""
        return self._canceller.echo_only

    @property
    def active(self) -> bool:
        """Whether the loudspeaker may be heard now."""
        return self._canceller.active

    @property
    def other_share(self) -> float:
        """The share, from 0 to 1, of the raw microphone's energy just now that the loudspeaker can't have caused."""
        return self._canceller.other_share

    @property
    def settled(self) -> bool:
        """Whether enough was played, since the loudspeaker's stream began, for the filter to know the room."""
        return self._canceller.sounded_s >= _SETTLED_S

    def raw(self, start: int, end: int) -> bytes:
        """The raw microphone from sample `start` to `end`, as far as it is known: at most the last 12 s."""
        return self._raw.between(max(start, self._raw.start), max(self._raw.start, min(end, self._raw.end)))

    def played(self, start: int, end: int, *, earlier_s: float) -> bytes:
        """What was played while the microphone's samples `start` to `end` were captured, and up to `earlier_s` before:
        int16, mono, 16 kHz."""
        start_s, end_s = self._captured(start), self._captured(max(start, end))
        return self._far.between(start_s - earlier_s, end_s)

    def _is_due(self, item: Frame | Gap) -> bool:
        if isinstance(item, Gap) or any(isinstance(one, Gap) for one in self._waiting):
            return True
        end_s = self._captured(item.end)
        return self._far.until >= end_s or self._captured(self._end) - end_s >= _LONGEST_S

    def _clean(self, item: Frame | Gap) -> list[Frame | Gap]:
        if isinstance(item, Frame):
            if item.index != self._raw.end:
                self._raw = Tape(item.index)
            self._raw.append(item.pcm)
            self._raw.forget_before(item.end - _KEPT)
        return self._canceller.take(item)
