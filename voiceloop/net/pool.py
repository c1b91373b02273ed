"""The pool shared by all services: the HTTP client, its warm connections, and the gate that every post passes.

Imports no HTTP library itself: `http.py`, which does, is loaded in a thread when a service is first used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from voiceloop.config.server_tables import Limits
from voiceloop.errors import ServiceError, VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.limits import Gate
from voiceloop.net.true_costs import TrueCosts
from voiceloop.net.trust import PROOF_S
from voiceloop.net.watch import Observe

if TYPE_CHECKING:
    from voiceloop.net.http import Http

WARM_CONNECTIONS = 2
"""Idle connections kept per server. Two, because the first sentence is sent to be spoken while the answer still
streams."""


class Pool:
    """What all services share. Made by `client.open_clients`."""

    def __init__(
        self, nursery: trio.Nursery, limits: Limits, publish: Publish | None = None, observe: Observe | None = None
    ) -> None:
        self.gate = Gate(limits, publish)
        """The limits on posts and money; every post passes it."""
        self.costs = TrueCosts()
        """What requests have cost whose answers don't say."""
        self._nursery = nursery
        self._publish = publish
        self._observe = observe
        self._loading = trio.Lock()
        self._http: Http | None = None
        self._closing = False
        self._services: Counter[str] = Counter()
        self._warming: set[str] = set()
        self._failing: set[str] = set()
        """Servers whose failure has been reported and that have not succeeded since."""

    async def http(self) -> Http:
        """The HTTP client. Created at first use, in a thread: the import and the certificates take 0.1 s."""
        async with self._loading:
            if self._http is None:
                self._http = await trio.to_thread.run_sync(_load, self._observe)
        return self._http

    def preload(self) -> None:
        """Create the client in the background at start-up, so that the first speech does not wait for it."""
        self._nursery.start_soon(self._preload, name="preload the HTTP client")

    async def _preload(self) -> None:
        try:
            await self.http()
        except Exception:  # noqa: BLE001 - the first request raises it again, and it is handled there
            return

    def expect(self, base_url: str) -> None:
        """Count one more service at `base_url`: `warm` opens a connection for each, up to `WARM_CONNECTIONS`."""
        self._services[base_url] += 1

    async def warm(self, base_url: str, connect: Callable[[], Awaitable[None]]) -> None:
        """Have as many idle connections to a server as a turn needs at once, each of which works. `connect` makes a
        small request: it proves those that there are, and opens those that are missing."""
        if base_url in self._warming:
            return
        self._warming.add(base_url)
        try:
            http = await self.http()
            await self.prove(base_url, connect)
            wanted = min(max(self._services[base_url], 1), WARM_CONNECTIONS) - http.idle(base_url)
            async with trio.open_nursery() as nursery:
                for _ in range(wanted):
                    nursery.start_soon(_connect_or_ignore, connect, name="open a warm connection")
        except VoiceloopError:
            return
        finally:
            self._warming.discard(base_url)

    async def prove(self, base_url: str, connect: Callable[[], Awaitable[None]]) -> None:
        """Ask the connections to a server by `connect`, all at once, if they were idle for long, and close those that
        don't answer in time. A request that comes meanwhile finds none of them idle, and takes a new one."""
        if self._http is None:
            return
        async with trio.open_nursery() as nursery:
            for _ in range(await self._http.to_ask(base_url)):
                nursery.start_soon(_prove, connect, name="ask an idle connection")

    def soon(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` in the background. It may outlive the turn that asked for it."""
        if not self._closing:
            self._nursery.start_soon(work, name="background work of a service")

    def tell(self, name: str, /, **fields: object) -> None:
        """Publish an event, if there is a publisher."""
        if self._publish is not None:
            self._publish(name, **fields)

    def fails(self, url: str, error: ServiceError, for_s: float) -> None:
        """Publish a notice, once per failure of a server, that a request failed again and is retried.

        The user should not wait without knowing why. `for_s` is how long all attempts may take together.
        """
        if url not in self._failing:
            self._failing.add(url)
            self.tell("notice", text=f"{error.place}: {error.what.rstrip('.')}: retrying for up to {for_s:g} s.")

    def answers(self, url: str) -> None:
        """Record that a request succeeded, with a notice if a failure had been reported."""
        if url in self._failing:
            self._failing.remove(url)
            self.tell("notice", text=f"{url} answers again.")

    async def aclose(self) -> None:
        """Close every connection and start no more background work."""
        self._closing = True
        if self._http is not None:
            await self._http.aclose()


async def _prove(connect: Callable[[], Awaitable[None]]) -> None:
    with trio.move_on_after(PROOF_S):  # this closes the connection, as any request does that is cancelled
        await _connect_or_ignore(connect)


async def _connect_or_ignore(connect: Callable[[], Awaitable[None]]) -> None:
    try:
        await connect()
    except ServiceError:
        return


def _load(observe: Observe | None) -> Http:
    from voiceloop.net.http import Http

    return Http(observe)
