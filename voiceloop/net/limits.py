"""Keeps a session within its `[limits]`: lets posts wait for their turn, and ends them when the money is spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import trio

from voiceloop.config.tables import Limits
from voiceloop.errors import LimitReached
from voiceloop.events import Publish
from voiceloop.net.rate_limiter import LONGEST_INTERVAL_S, Budget, RateLimiter
from voiceloop.types import Usage

NOTICE_S = 2.0
"""Waits shorter than this are not worth a line."""


@dataclass(slots=True)
class _Line:
    """Posts that wait for the same thing, in the order in which they came."""

    limiter: RateLimiter
    turn: trio.Lock = field(default_factory=trio.Lock)


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of the session's limits, for those whose posts can be left out."""

    crowded: bool
    """A server wants fewer requests, or posts wait for their turn."""
    share: float
    """How much is left of this minute's posts and of the money, whichever is less; 1 is all."""


class Gate:
    """Every post passes here: each server's own pace first, then that of the session."""

    def __init__(self, limits: Limits, publish: Publish | None) -> None:
        self._limits, self._publish = limits, publish
        self._all = _Line(RateLimiter(limits.max_posts_per_minute))
        self._servers: defaultdict[str, _Line] = defaultdict(lambda: _Line(RateLimiter(None)))
        self._budget = Budget(limits.max_cost_per_session)
        self._said: set[str] = set()

    async def passed(self, server: str) -> None:
        """Wait until a post to the server at this address may go.

        Raises `LimitReached` when the session's money is spent, or when the server wants to be left alone for longer
        than a person waits.
        """
        line = self._servers[server]
        async with line.turn:
            if (wait_s := line.limiter.wait_s(trio.current_time())) > LONGEST_INTERVAL_S:
                raise _left_alone(server, wait_s)
            await self._wait(line.limiter, "the server asked for fewer requests")
            async with self._all.turn:
                await self._wait(
                    self._all.limiter, f"limits.max_posts_per_minute ({self._limits.max_posts_per_minute}) is reached"
                )
                if self._budget.empty:
                    raise self._spent()
                for limiter in (line.limiter, self._all.limiter):
                    limiter.posted(trio.current_time())

    async def _wait(self, limiter: RateLimiter, reason: str) -> None:
        while not self._budget.empty and (wait_s := limiter.wait_s(trio.current_time())) > 0:
            if wait_s >= NOTICE_S:
                self._say(f"{reason}: the next post waits {wait_s:.0f} s; nothing said is lost")
            await trio.sleep(wait_s)

    def room(self) -> Room:
        """What is left now."""
        now = trio.current_time()
        lines = [self._all, *self._servers.values()]
        crowded = any(line.limiter.interval_s or line.limiter.wait_s(now) > 0 or line.turn.locked() for line in lines)
        return Room(crowded, min(self._all.limiter.share(now), self._budget.share))

    def refused(self, server: str, retry_after_s: float | None) -> None:
        """The server said 'too many requests'."""
        self._servers[server].limiter.refused(trio.current_time(), retry_after_s)

    def accepted(self, server: str) -> None:
        """A post went well."""
        self._servers[server].limiter.accepted()

    def spend(self, usage: Usage | None) -> None:
        """Count what a request cost, where that is known."""
        before = self._budget.empty
        if usage is not None:
            self._budget.spend(usage.cost_usd, usage.estimated_usd)
        if self._budget.empty and not before:
            self._say(f"{self._spent()}")

    def by_list(self, character_usd: float | None) -> None:
        """Something was spoken, and counted by this price, or by none where none is known."""
        if self._limits.max_cost_per_session is None:
            return
        if character_usd is None:
            how = "the model's listing has no price either: it is not counted"
        else:
            how = f"it is counted by the model's listed price, {character_usd * 1e6:.4g} USD / 1M characters"
        self._say_once(f"limits.max_cost_per_session: the server does not say what speech costs; {how}")

    def _spent(self) -> LimitReached:
        estimated = f" ({self._budget.estimated_usd:.4f} of it estimated)" if self._budget.estimated_usd else ""
        return LimitReached(
            f"the session has cost {self._budget.spent_usd:.4f} USD{estimated}: nothing more is sent",
            place=f"limits.max_cost_per_session ({self._limits.max_cost_per_session:g} USD)",
            remedy="To go on, start again, which counts from zero, or raise it",
        )

    def _say(self, text: str) -> None:
        if self._publish is not None:
            self._publish("notice", text=text)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _left_alone(server: str, wait_s: float) -> LimitReached:
    return LimitReached(
        f"the server wants no requests for another {wait_s:.0f} s: nothing is sent until then",
        place=server,
        remedy="Wait, or use another model or a key with higher limits",
    )
