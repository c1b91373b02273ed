"""The rate limiter for posts and the budget for money. Pure: time is passed in, in seconds of any clock."""

from __future__ import annotations

from collections import deque

MINUTE_S = 60.0
FIRST_INTERVAL_S = 0.5
"""Interval between posts after the first 'too many requests'. Each further one doubles the interval; each success
shrinks it."""
LONGEST_INTERVAL_S = 60.0
SHRINK = 0.7
"""Factor on the interval after each success."""


class RateLimiter:
    """When the next post may be sent: at most `per_minute` a minute, and fewer after the server refused some."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._posts: deque[float] = deque()
        self._interval_s = 0.0
        self._not_before = self._refused_at = float("-inf")

    @property
    def interval_s(self) -> float:
        """Minimum time between posts since the server refused one; 0 when it accepts them."""
        return self._interval_s

    def wait_s(self, now: float) -> float:
        """How long the next post must wait; 0 when it may be sent now."""
        ready = self._not_before
        if self._interval_s and self._posts:
            ready = max(ready, self._posts[-1] + self._interval_s)
        while self._posts and self._posts[0] <= now - MINUTE_S:
            if len(self._posts) == 1:
                break  # the interval is counted from the last post, so that one is kept
            self._posts.popleft()
        if self._per_minute is not None:
            recent = [at for at in self._posts if at > now - MINUTE_S]
            if len(recent) >= self._per_minute:
                ready = max(ready, recent[-self._per_minute] + MINUTE_S)
        return max(0.0, ready - now)

    def share(self, now: float) -> float:
        """The share of the minute's posts that is left: 0 to 1."""
        if self._per_minute is None:
            return 1.0
        recent = [at for at in self._posts if at > now - MINUTE_S]
        return max(0.0, 1 - len(recent) / self._per_minute)

    def posted(self, now: float) -> None:
        """Record that a post is sent at `now`."""
        self._posts.append(now)
        if self._per_minute is None and len(self._posts) > 1:
            self._posts.popleft()

    def refused(self, now: float, *, retry_after_s: float | None) -> None:
        """Record a 'too many requests' of the server, and how long it asks to wait, if it says so."""
        # Posts in flight at the same time are refused together. That counts as one refusal.
        if now >= self._refused_at + max(self._interval_s, FIRST_INTERVAL_S):
            self._interval_s = min(max(FIRST_INTERVAL_S, self._interval_s * 2), LONGEST_INTERVAL_S)
            self._refused_at = now
        self._not_before = max(self._not_before, now + (retry_after_s or 0.0))

    def accepted(self) -> None:
        """Record that a request succeeded."""
        self._interval_s *= SHRINK
        if self._interval_s < FIRST_INTERVAL_S / 4:
            self._interval_s = 0.0


class Budget:
    """The money that a session has spent, and its limit (USD)."""

    def __init__(self, limit_usd: float | None) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0
        self.estimated_usd = 0.0
        """The estimated part of `spent_usd`."""

    def spend(self, cost_usd: float | None, *, estimated_usd: float | None = None) -> None:
        """Add a cost that a server reported, and one estimated from listed prices."""
        self.spent_usd += (cost_usd or 0.0) + (estimated_usd or 0.0)
        self.estimated_usd += estimated_usd or 0.0

    @property
    def empty(self) -> bool:
        return self.limit_usd is not None and self.spent_usd >= self.limit_usd

    @property
    def share(self) -> float:
        """The share of the money that is left: 0 to 1."""
        return 1.0 if self.limit_usd is None else max(0.0, 1 - self.spent_usd / self.limit_usd)
