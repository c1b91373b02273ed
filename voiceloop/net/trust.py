"""How long a connection that is reused can be trusted: rules on idleness, acknowledgements and suspends.

Pure: every time is an argument. After a suspend, a NAT time-out or a change of Wi-Fi a connection is dead, and nothing
says so: what is sent on it is never answered.

    idle          |----- 5 s -----|                         an onset of voice from here on: asked for a sign of life
    asked                          HEAD |- 1 s -|           no answer: closed and replaced
    sent          bytes |------ 2 s ------|                 not acknowledged, and nothing else either: closed
    suspended     ....zzzz|                                 for 1 s or longer: closed
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

IDLE_S = 5.0
"""A connection that was used so recently is trusted."""
PROOF_S = 1.0
"""How long the answer to a question that only asks for a sign of life may take."""
UNACKNOWLEDGED_S = 2.0
"""How long the other side's system may take to acknowledge anything while it has something to acknowledge. It does so
by itself, however busy the server is."""
SUSPENDED_S = 1.0
"""A computer that was suspended for so long trusts none of its connections."""


class IdleTimes:
    """Since when each connection of a pool is idle."""

    def __init__(self) -> None:
        self._since: dict[Hashable, float] = {}

    def seen(self, idle: Collection[Hashable], now_s: float) -> None:
        """Note which connections are idle now. To be called when one is taken, and when one is given back."""
        self._since = {connection: self._since.get(connection, now_s) for connection in idle}

    def to_ask(self, idle: Collection[Hashable], now_s: float) -> int:
        """How many of these idle connections to ask for a sign of life: all, if one of them can't be trusted any more.

        All, because the pool chooses by itself which connection a request takes: only as many requests at once as
        there are idle connections reach each of them.
        """
        return len(idle) if any(now_s - self._since.get(one, now_s) >= IDLE_S for one in idle) else 0


class Acknowledgements:
    """Whether the other side still acknowledges what is sent to it on one connection."""

    def __init__(self) -> None:
        self._since: float | None = None

    def sending(self, now_s: float, *, unacknowledged: int) -> None:
        """More is about to be sent, while so many segments are not acknowledged."""
        if not unacknowledged:
            self._since = now_s

    def overdue(self, now_s: float, *, unacknowledged: int, last_s: float) -> bool:
        """Whether the connection is dead. `last_s`: how long ago the other side acknowledged anything.

        A server that takes nothing more (its window is full) acknowledges all that was sent, and lives.
        """
        if not unacknowledged:
            self._since = None
            return False
        if self._since is None:
            self._since = now_s
        return min(now_s - self._since, last_s) >= UNACKNOWLEDGED_S


class Suspends:
    """Notices that the computer was suspended. Times are those for which it has been suspended since it started."""

    def __init__(self, suspended_s: float) -> None:
        self._known_s = suspended_s

    def again(self, suspended_s: float) -> bool:
        """Whether it was suspended since the beginning, or since the last time that this was true."""
        if suspended_s - self._known_s < SUSPENDED_S:
            return False
        self._known_s = suspended_s
        return True
