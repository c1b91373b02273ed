"""A request that is ready to be sent, and one attempt at it: its deadline, and what has happened so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from voiceloop.net.failures import Where


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

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's trace callback."""
        if event == "connection.connect_tcp.started":
            self.connected = True


waiting: ContextVar[Attempt | None] = ContextVar("waiting", default=None)
"""The attempt for whose answer this task waits: the connections below httpcore don't know for whom they read."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent. `headers` may contain the key, so the repr omits them."""

    method: str
    url: str
    where: Where
    connect_s: float
    read_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    params: Mapping[str, str] | None = None
