"""How much of a reply must be in hand before it sounds, from how evenly its pieces come. Pure: time comes in."""

from __future__ import annotations

from collections import deque

_REMEMBERED = 12
"""Streams: a hiccup is forgotten after so many, some replies; one alone may come evenly by luck."""
_MARGIN = 1.5
"""The worst that is to come is worse than the worst of those few. With 0 to 150 ms of jitter and 12 streams, 1 left 7
gaps in 1,000 replies, 1.25 left 1 and this none."""


class Stream:
    """One answer with sound, piece by piece: how much had to be in hand so that it would not have run dry.

    Only the time spent waiting for pieces counts: not the wait for the first one, which is the service thinking, and
    not the time when nobody asked for more because enough was there.
    """

    def __init__(self, recent: deque[Stream]) -> None:
        self.need_s = 0.0
        """Seconds of sound: the most by which the pieces after any one of them came too late to follow it at once."""
        self._recent = recent
        self._asked_at: float | None = None
        self._waited_s = 0.0
        self._sound_s = 0.0
        self._earliest_s = 0.0

    def came(self, at: float, sound_s: float) -> None:
        """A piece with so many seconds of sound came at the time `at` (seconds, of any clock that never goes back)."""
        if self._asked_at is not None:
            if not self._waited_s and not self.need_s:
                self._recent.append(self)
            self._waited_s += max(0.0, at - self._asked_at)
            self.need_s = max(self.need_s, self._waited_s - self._sound_s - self._earliest_s)
        self._sound_s += sound_s
        self._earliest_s = min(self._earliest_s, self._waited_s - self._sound_s)
        self._asked_at = at

    def asked(self, at: float) -> None:
        """From now on the next piece is waited for: what came was passed on, which may have taken a while."""
        self._asked_at = at


class JitterBuffer:
    """How much must be in hand for the next reply, or for the same one after it ran dry.

    Each stream tells how much it would have needed (`Stream`); the worst of the last twelve, and half of it more, is
    what the next one gets, between the two bounds. So a network that delivers evenly is never waited for beyond the
    least, and one that stutters is from the second reply on; the wait is short even so, because what is waited for
    comes faster than it is played. What no wait could hide, a next sentence that the service is late with, is not
    counted: it is a new stream, and what was there before it is played without waiting (`Ring.enough`).
    """

    def __init__(self, *, least_s: float, most_s: float) -> None:
        self._least_s, self._most_s = least_s, most_s
        self._recent: deque[Stream] = deque(maxlen=_REMEMBERED)

    def stream(self) -> Stream:
        """To be told of the pieces of a new answer. It counts from its second piece on."""
        return Stream(self._recent)

    @property
    def seconds(self) -> float:
        """How much must be in hand."""
        worst = max((stream.need_s for stream in self._recent), default=0.0)
        return min(max(self._least_s, worst * _MARGIN), self._most_s)
