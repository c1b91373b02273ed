"""The observer of requests: notified when each begins, is answered and ends. Sees no bodies, headers or keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an observer may know of one attempt at a request."""

    method: str
    url: str
    """Without user, password and query."""
    model: str
    attempt: int
    sent_bytes: int


class ExchangeObserver:
    """The observer of one exchange. This base class ignores everything."""

    def answered(self, status: int, *, connected: bool) -> None:
        """The answer's head has arrived. `connected` is true when a new connection was opened for the request."""

    def took(self, count: int) -> None:
        """`count` bytes of the body have arrived."""

    def ended(self, error: BaseException | None) -> None:
        """The exchange is over. `error` is `trio.Cancelled`, another error, or None for success."""


Observe = Callable[[Exchange], ExchangeObserver]
"""Called when an exchange begins; returns its observer."""
_IGNORE = ExchangeObserver()


@contextmanager
def watching(observe: Observe | None, exchange: Exchange) -> Iterator[ExchangeObserver]:
    """Observe the body of the context as one exchange."""
    if observe is None:
        yield _IGNORE
        return
    sight = observe(exchange)
    try:
        yield sight
    except BaseException as error:
        sight.ended(error)
        raise
    sight.ended(None)
