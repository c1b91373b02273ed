"""One attempt at a request: its deadline, and what has happened so far. Knows no request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Attempt:
    """One attempt at a request: its deadline, and what has happened so far."""

    number: int = 1
    """1 for the first."""
    deadline: float = math.inf
    """In Trio's time. Limits the wait for the head, and the reading of a whole body (`Answer.read`). A body that is
    played while it arrives (`Answer.drain`) may go on longer."""
    connected: bool = False
    """The attempt opened a new connection instead of using an idle one."""
    heard: bool = False
    """The server has sent something: the first byte of its answer, at least."""

    lost: bool = False
    """The connection was given up as dead: nothing was acknowledged, or the computer was suspended."""

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's trace callback."""
        if event == "connection.connect_tcp.started":
            self.connected = True


waiting: ContextVar[Attempt | None] = ContextVar("waiting", default=None)
"""The attempt for whose answer this task waits: the connections below httpcore don't know for whom they read."""
