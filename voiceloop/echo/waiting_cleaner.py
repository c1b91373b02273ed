"""Holds the microphone's frames back until what the loudspeaker played meanwhile has been captured, too. Pure.

    monitor      ===================|                 captured so far
    microphone   ==================|=======|          these wait, for 0.3 s at most
                                   +--> Canceller --|=====|   judged, and waits for what is judged in the next 0.1 s
                                                    +--> clean; faint where nobody but the loudspeaker is heard

Its only clocks are the sample counts of both streams. A frame keeps its index, so holding it back moves no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from voiceloop.audio.tape import Tape
from voiceloop.echo.canceller import Canceller
from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason

_LONGEST_S = 0.3
"""How long a frame waits for the far end. A monitor that is lost, or muted, delivers nothing."""
_SETTLED_S = 3.0
_AHEAD = 5
"""Frames (100 ms) by which a verdict comes too late for the beginning of a voice."""
_FAINT = 0.03
"""-30 dB: what the filter leaves over of the echo would be understood."""
_KEPT = 12 * CAPTURE_RATE_HZ


@dataclass(frozen=True, slots=True)
class _Judged:
    """A frame or gap from the canceller, and what the canceller said of it."""

    item: Frame | Gap
    echo_only: bool = False
    active: bool = False
    other_share: float = 0.0


class WaitingCleaner:
    """A `listener.Cleaner`: the canceller, given each frame when its far end is there.

    `captured` tells when a sample of the microphone was captured, in seconds of the clock that the monitor's have, too.
    """

    def __init__(self, canceller: Canceller, far: CapturedFarEnd, captured: Callable[[int], float]) -> None:
        self._canceller, self._far, self._captured = canceller, far, captured
        self._waiting: deque[Frame | Gap] = deque()
        self._raw = Tape()
        self._end = 0
        self._judged: deque[_Judged] = deque()
        self._last = _Judged(Gap(0, GapReason.LOST))
        self._gain = 1.0

    def take(self, item: Frame | Gap) -> Iterator[Frame | Gap]:
        """Take a frame or gap; return those that need not wait any longer, one at a time as they are judged, so that
        `echo_only`, `active` and `other_share` are always about the last one."""
        self._waiting.append(item)
        if isinstance(item, Frame):
            self._end = item.end
        while self._waiting and self._is_due(self._waiting[0]):
            self._clean(self._waiting.popleft())
        while len(self._judged) > _AHEAD or (self._judged and any(isinstance(one.item, Gap) for one in self._judged)):
            yield self._next()

    def flush(self) -> Iterator[Frame | Gap]:
        """Return everything that is still held back."""
        while self._waiting:
            self._clean(self._waiting.popleft())
        self._judged += [_Judged(frame) for frame in self._canceller.flush()]
        while self._judged:
            yield self._next()

    def is_residual_echo(self, pcm: bytes) -> bool:
        """Whether a cleaned frame holds only residual echo."""
        return self._canceller.is_residual_echo(pcm)

    @property
    def echo_only(self) -> bool:
        """Whether all that the microphone hears now is what the loudspeaker plays."""
        return self._last.echo_only

    @property
    def active(self) -> bool:
        """Whether the loudspeaker may be heard now."""
        return self._last.active

    @property
    def other_share(self) -> float:
        """The share, from 0 to 1, of the raw microphone's energy just now that the loudspeaker can't have caused."""
        return self._last.other_share

    @property
    def knows_echo(self) -> bool:
        """Whether an echo was found at all: not with headphones. Else `other_share` says nothing."""
        return self._canceller.knows_echo

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

    def _clean(self, item: Frame | Gap) -> None:
        if isinstance(item, Frame):
            if item.index != self._raw.end:
                self._raw = Tape(item.index)
            self._raw.append(item.pcm)
            self._raw.forget_before(item.end - _KEPT)
        canceller = self._canceller
        for one in canceller.take(item):
            self._judged.append(_Judged(one, canceller.echo_only, canceller.active, canceller.other_share))

    def _next(self) -> Frame | Gap:
        """The oldest one that was judged; only echo if nobody else is heard up to 0.1 s later, either."""
        judged = self._judged.popleft()
        if judged.echo_only and not all(later.echo_only for later in self._judged):
            judged = replace(judged, echo_only=False)
        self._last = judged
        if isinstance(judged.item, Gap):
            return judged.item
        before, self._gain = self._gain, _FAINT if judged.echo_only else 1.0
        if before == self._gain == 1.0:
            return judged.item
        sound = np.frombuffer(judged.item.pcm, "<i2") * np.linspace(before, self._gain, judged.item.samples)
        return replace(judged.item, pcm=np.rint(sound).astype("<i2").tobytes())
