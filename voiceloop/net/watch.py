"""Who watches requests is told when each began, was answered and ended: never of bodies, headers or keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exchange:
    """One attempt at a request, as far as anybody may know of it."""

    method: str
    url: str
    """Without user, password and query."""
    model: str
    attempt: int
    sent_bytes: int


class Sight:
    """What follows on one exchange. This one sees nothing."""

    def answered(self, status: int, *, connected: bool) -> None:
        """The answer's head is there; `connected`: over a connection opened for it."""

    def took(self, count: int) -> None:
        """So many bytes of the body came."""

    def ended(self, error: BaseException | None) -> None:
        """It is over: cancelled (`trio.Cancelled`), failed, or all is well."""


Observe = Callable[[Exchange], Sight]
_UNSEEN = Sight()


@contextmanager
def watching(observe: Observe | None, exchange: Exchange) -> Iterator[Sight]:
    """The body is the exchange."""
    if observe is None:
        yield _UNSEEN
        return
    sight = observe(exchange)
    try:
        yield sight
    except BaseException as error:
        sight.ended(error)
        raise
    sight.ended(None)
