"""The idle connections of the HTTP client: how many there are, which are asked for a sign of life, which are dropped.

Uses what httpcore's pools and connections show publicly. Knows no request.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpcore
import trio

from voiceloop.net import system
from voiceloop.net.trust import IdleTimes, Suspends


class Connections:
    """The idle connections of some pools."""

    def __init__(self, pools: Sequence[httpcore.AsyncConnectionPool]) -> None:
        self._pools = pools
        self._times = IdleTimes()
        self._suspends = Suspends(system.suspended_s())

    def idle(self, origin: httpcore.Origin) -> int:
        """The number of open and unused connections to a server."""
        return len(self._idle(origin))

    def to_ask(self, origin: httpcore.Origin) -> int:
        """How many connections to a server to ask at once for a sign of life, before the next request needs one."""
        return self._times.to_ask(self._idle(origin), trio.current_time())

    def note(self) -> None:
        """Note which connections are idle now. To be called when one is taken, and when one is given back."""
        self._times.seen(self._idle(), trio.current_time())

    async def drop(self, origin: httpcore.Origin | None) -> None:
        """Close the idle connections to a server; to all for None."""
        with trio.CancelScope(shield=True):
            for connection in self._idle(origin):
                if connection.is_idle():  # none was taken while another one was being closed
                    await connection.aclose()

    async def drop_suspended(self) -> None:
        """Close all idle connections if the computer was suspended since the last call."""
        if self._suspends.again(system.suspended_s()):
            await self.drop(None)

    def _idle(self, origin: httpcore.Origin | None = None) -> list[httpcore.AsyncConnectionInterface]:
        return [
            connection
            for pool in self._pools
            for connection in pool.connections
            if (origin is None or connection.can_handle_request(origin))
            and connection.is_idle()
            and not connection.is_closed()
            and not connection.has_expired()
        ]
