"""Keeps a session within its `[limits]`: lets posts wait for their turn, and ends them when the money is spent."""

from __future__ import annotations

import trio

from voiceloop.config.tables import Limits
from voiceloop.errors import LimitReached
from voiceloop.events import Publish
from voiceloop.net.pace import Pace, Purse
from voiceloop.types import Usage

NOTICE_S = 2.0
"""Waits shorter than this are not worth a line."""


class Gate:
    """Every post passes here, in the order in which they came."""

    def __init__(self, limits: Limits, publish: Publish | None) -> None:
        self._pace = Pace(limits.max_posts_per_minute)
        self._limits, self._publish = limits, publish
        self._purse = Purse(limits.max_cost_per_session)
        self._turn = trio.Lock()
        self._said_uncounted = False

    async def passed(self) -> None:
        """Wait until a post may go. Raises `LimitReached` when the session's money is spent."""
        if self._purse.empty:
            raise self._spent()
        async with self._turn:
            while (wait_s := self._pace.wait_s(trio.current_time())) > 0:
                if wait_s >= NOTICE_S:
                    self._say(f"{self._reason()}: the next post waits {wait_s:.0f} s; nothing said is lost")
                await trio.sleep(wait_s)
            self._pace.posted(trio.current_time())

    def refused(self, retry_after_s: float | None) -> None:
        """The server said 'too many requests'."""
        self._pace.refused(trio.current_time(), retry_after_s)

    def accepted(self) -> None:
        """A post went well."""
        self._pace.accepted()

    def spend(self, usage: Usage | None) -> None:
        """Count what a request cost, where the server said so."""
        before = self._purse.empty
        self._purse.spend(usage.cost_usd if usage is not None else None)
        if self._purse.empty and not before:
            self._say(f"{self._spent()}")

    def uncounted(self, what: str) -> None:
        """Something is paid for that no answer tells the cost of."""
        if self._limits.max_cost_per_session is not None and not self._said_uncounted:
            self._said_uncounted = True
            self._say(f"limits.max_cost_per_session: the server does not say what {what} costs; it is not counted")

    def _reason(self) -> str:
        if self._pace.interval_s:
            return "the server asked for fewer requests"
        return f"limits.max_posts_per_minute ({self._limits.max_posts_per_minute}) is reached"

    def _spent(self) -> LimitReached:
        return LimitReached(
            f"the session has cost {self._purse.spent_usd:.4f} USD: nothing more is sent",
            place=f"limits.max_cost_per_session ({self._limits.max_cost_per_session:g} USD)",
            remedy="Raise it, or start again",
        )

    def _say(self, text: str) -> None:
        if self._publish is not None:
            self._publish("notice", text=text)
