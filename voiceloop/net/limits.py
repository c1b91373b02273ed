"""The `[limits]` of a session: delays posts to keep to the rate limits, and refuses them when the money is spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import trio

from voiceloop.config.server_tables import Limits
from voiceloop.errors import LimitReached
from voiceloop.events import Publish
from voiceloop.net.rate_limiter import LONGEST_INTERVAL_S, Budget, RateLimiter
from voiceloop.types import Usage

RESERVED = 0.25
"""The share of a minute's posts and of the money that is kept for posts that nobody can do without."""
NOTICE_S = 2.0
"""Shorter waits are not reported."""


@dataclass(slots=True)
class _Queue:
    """Posts under the same rate limiter, in the order in which they came."""

    limiter: RateLimiter
    lock: trio.Lock = field(default_factory=trio.Lock)


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of the session's limits. Callers use it to skip posts that are not necessary."""

    crowded: bool
    """A server has asked for fewer requests, or posts are waiting."""
    share: float
    """The share left of this minute's posts or of the money, whichever is less: 0 to 1."""

    @property
    def ample(self) -> bool:
        """Whether enough is left for posts that one can do without."""
        return self.share >= RESERVED


class Gate:
    """The gate that every post passes: the rate limiter of its server first, then the one of the session."""

    def __init__(self, limits: Limits, publish: Publish | None) -> None:
        self._limits, self._publish = limits, publish
        self._session = _Queue(RateLimiter(limits.max_posts_per_minute))
        self._servers: defaultdict[str, _Queue] = defaultdict(lambda: _Queue(RateLimiter(None)))
        self._budget = Budget(limits.max_cost_per_session)
        self._published: set[str] = set()
        """The notices of `_notify_once` so far."""

    async def passed(self, server: str) -> None:
        """Wait until a post to the server at this address may be sent.

        Raises `LimitReached` when the session's money is spent, or when the server has asked for a pause of more than
        `LONGEST_INTERVAL_S`, which is longer than a person waits.
        """
        queue = self._servers[server]
        async with queue.lock:
            if (wait_s := queue.limiter.wait_s(trio.current_time())) > LONGEST_INTERVAL_S:
                raise _pause_too_long(server, wait_s)
            await self._wait(queue.limiter, "the server asked for fewer requests")
            async with self._session.lock:
                limit = f"limits.max_posts_per_minute ({self._limits.max_posts_per_minute})"
                await self._wait(self._session.limiter, f"{limit} is reached")
                if self._budget.empty:
                    raise self._money_spent()
                for limiter in (queue.limiter, self._session.limiter):
                    limiter.posted(trio.current_time())

    async def _wait(self, limiter: RateLimiter, reason: str) -> None:
        while not self._budget.empty and (wait_s := limiter.wait_s(trio.current_time())) > 0:
            if wait_s >= NOTICE_S:
                self._notify(f"{reason}: the next post waits {wait_s:.0f} s; nothing you say is lost")
            await trio.sleep(wait_s)

    def room(self) -> Room:
        """What is left of the limits now."""
        now = trio.current_time()
        queues = [self._session, *self._servers.values()]
        crowded = any(
            queue.limiter.interval_s > 0 or queue.limiter.wait_s(now) > 0 or queue.lock.locked() for queue in queues
        )
        return Room(crowded=crowded, share=min(self._session.limiter.share(now), self._budget.share))

    def refused(self, server: str, retry_after_s: float | None) -> None:
        """Record that the server answered 'too many requests'."""
        self._servers[server].limiter.refused(trio.current_time(), retry_after_s=retry_after_s)

    def accepted(self, server: str) -> None:
        """Record that a request to the server succeeded."""
        self._servers[server].limiter.accepted()

    def spend(self, usage: Usage | None) -> None:
        """Count the cost of a request, if it is known."""
        was_empty = self._budget.empty
        if usage is not None:
            self._budget.spend(usage.cost_usd, estimated_usd=usage.estimated_usd)
        if self._budget.empty and not was_empty:
            self._notify(str(self._money_spent()))

    def by_list(self, character_usd: float | None) -> None:
        """Report once how speech is counted: at the listed price `character_usd`, or not at all when that is None."""
        if self._limits.max_cost_per_session is None:
            return
        if character_usd is None:
            how = "the model's listing has no price either, so speech is not counted"
        else:
            how = f"speech is counted at the model's listed price, {character_usd * 1e6:.4g} USD / 1M characters"
        self._notify_once(f"limits.max_cost_per_session: the server does not say what speech costs; {how}")

    def _money_spent(self) -> LimitReached:
        estimated = f" ({self._budget.estimated_usd:.4f} of it estimated)" if self._budget.estimated_usd else ""
        return LimitReached(
            f"the session has cost {self._budget.spent_usd:.4f} USD{estimated}: nothing more is sent",
            place=f"limits.max_cost_per_session ({self._limits.max_cost_per_session:g} USD)",
            remedy="Start again (the count begins at zero) or raise this limit",
        )

    def _notify(self, text: str) -> None:
        if self._publish is not None:
            self._publish("notice", text=text)

    def _notify_once(self, text: str) -> None:
        if text not in self._published:
            self._published.add(text)
            self._notify(text)


def _pause_too_long(server: str, wait_s: float) -> LimitReached:
    return LimitReached(
        f"the server accepts no requests for another {wait_s:.0f} s: nothing is sent until then",
        place=server,
        remedy="Wait, or use another model or a key with higher limits",
    )
