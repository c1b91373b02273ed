"""How fast may be posted, and how much spent. Pure: time comes in as values, in seconds of any clock."""

from __future__ import annotations

from collections import deque

MINUTE_S = 60.0
FIRST_INTERVAL_S = 0.5
"""Between posts after the first 'too many requests'; doubles with each more, and shrinks with each success."""
LONGEST_INTERVAL_S = 60.0
SHRINK = 0.7


class RateLimiter:
    """When the next post may go: at most so many a minute, and slower for as long as the server says 'too many'."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._posts: deque[float] = deque()
        self._interval_s = 0.0
        self._not_before = self._refused_at = float("-inf")

    @property
    def interval_s(self) -> float:
        """Between posts, because the server asked for it; 0 when it doesn't."""
        return self._interval_s

    def wait_s(self, now: float) -> float:
        """How long the next post has to wait; 0 when it may go."""
        ready = self._not_before
        if self._interval_s and self._posts:
            ready = max(ready, self._posts[-1] + self._interval_s)
        while self._posts and self._posts[0] <= now - MINUTE_S:
            if len(self._posts) == 1:
                break  # the last one is remembered for the interval
            self._posts.popleft()
        if self._per_minute is not None:
            recent = [at for at in self._posts if at > now - MINUTE_S]
            if len(recent) >= self._per_minute:
                ready = max(ready, recent[-self._per_minute] + MINUTE_S)
        return max(0.0, ready - now)

    def share(self, now: float) -> float:
        """How much of the minute's posts is left: 0 to 1."""
        if self._per_minute is None:
            return 1.0
        return max(0.0, 1 - sum(at > now - MINUTE_S for at in self._posts) / self._per_minute)

    def posted(self, now: float) -> None:
        """A post goes out."""
        self._posts.append(now)
        if self._per_minute is None and len(self._posts) > 1:
            self._posts.popleft()

    def refused(self, now: float, retry_after_s: float | None) -> None:
        """The server said 'too many requests', and perhaps for how long."""
        # Posts that were under way together are refused together: that counts once.
        if now >= self._refused_at + max(self._interval_s, FIRST_INTERVAL_S):
            self._interval_s = min(max(FIRST_INTERVAL_S, self._interval_s * 2), LONGEST_INTERVAL_S)
            self._refused_at = now
        self._not_before = max(self._not_before, now + (retry_after_s or 0.0))

    def accepted(self) -> None:
        """A post went well."""
        self._interval_s *= SHRINK
        if self._interval_s < FIRST_INTERVAL_S / 4:
            self._interval_s = 0.0


class Budget:
    """What a session has cost so far, of what it may cost (USD)."""

    def __init__(self, limit_usd: float | None) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0
        self.estimated_usd = 0.0
        """How much of it is an estimate."""

    def spend(self, cost_usd: float | None, estimated_usd: float | None = None) -> None:
        self.spent_usd += (cost_usd or 0.0) + (estimated_usd or 0.0)
        self.estimated_usd += estimated_usd or 0.0

    @property
    def empty(self) -> bool:
        return self.limit_usd is not None and self.spent_usd >= self.limit_usd

    @property
    def share(self) -> float:
        """How much of the money is left: 0 to 1."""
        return 1.0 if self.limit_usd is None else max(0.0, 1 - self.spent_usd / self.limit_usd)
