"""The jitter buffer: how much sound must be buffered before a reply begins, learned from how evenly pieces arrive.

Pure: time is an argument.
"""

from __future__ import annotations

from collections import deque

_REMEMBERED = 12
"""How many streams are remembered. One stream may arrive evenly by luck. A single delay is forgotten after twelve
streams, a few replies."""
_MARGIN = 1.5
"""What the worst of the remembered streams needed is multiplied by this: a worse one may come. With 0 to 150 ms of
jitter and 12 streams, a margin of 1 left 7 gaps in 1,000 replies, 1.25 left 1, and 1.5 none."""


class Stream:
    """One stream of sound from a service: measures the smallest jitter buffer that would have avoided an underrun.

    Only time spent waiting for pieces counts. Not counted are the wait for the first piece, in which the service
    prepares its answer, and the time in which no more was asked for because enough was buffered.
    """

    def __init__(self, recent: deque[Stream]) -> None:
        self.need_s = 0.0
        """The smallest sufficient jitter buffer so far, in seconds of sound: the most by which any later piece would
        have been late if playback had begun at any earlier one."""
        self._recent = recent
        self._asked_at: float | None = None
        self._waited_s = 0.0
        self._sound_s = 0.0
        self._earliest_s = 0.0

    def came(self, at: float, sound_s: float) -> None:
        """A piece with `sound_s` seconds of sound arrived at the time `at` (seconds, by any monotonic clock)."""
        if self._asked_at is not None:
            if not self._waited_s and not self.need_s:
                self._recent.append(self)
            self._waited_s += max(0.0, at - self._asked_at)
            self.need_s = max(self.need_s, self._waited_s - self._sound_s - self._earliest_s)
        self._sound_s += sound_s
        self._earliest_s = min(self._earliest_s, self._waited_s - self._sound_s)
        self._asked_at = at

    def asked(self, at: float) -> None:
        """The wait for the next piece begins at the time `at`: passing on the last one may have taken a while."""
        self._asked_at = at


class JitterBuffer:
    """How much sound must be buffered before the next reply begins, or goes on after an underrun.

    Each stream measures how much it would have needed (`Stream`). The next one gets 1.5 times the most that any of the
    last twelve needed, between the bounds `least_s` and `most_s`. So a network that delivers evenly never costs more
    than the least, and one that stutters is allowed for from the second reply on. That wait is short too, because sound
    arrives faster than it is played.

    Not counted is a next sentence that the service is late with, which no buffer could hide: it is a new stream, and
    the sound before it is played without waiting (`Ring.enough`).
    """

    def __init__(self, *, least_s: float, most_s: float) -> None:
        self._least_s, self._most_s = least_s, most_s
        self._recent: deque[Stream] = deque(maxlen=_REMEMBERED)

    def stream(self) -> Stream:
        """A new stream, to be shown its pieces (`came`, `asked`). It counts from its second piece on."""
        return Stream(self._recent)

    @property
    def seconds(self) -> float:
        """How much sound must be buffered."""
        worst = max((stream.need_s for stream in self._recent), default=0.0)
        return min(max(self._least_s, worst * _MARGIN), self._most_s)
