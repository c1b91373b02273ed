"""The one HTTP client: made at first use, its connections kept warm, and the gate that every post passes.

Imports no HTTP library: `http.py`, which does, is loaded in a thread when a service is first used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from voiceloop.config.tables import Limits
from voiceloop.errors import ServiceError, VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.limits import Gate
from voiceloop.net.watch import Observe

if TYPE_CHECKING:
    from voiceloop.net.http import Http

WARM_CONNECTIONS = 2
"""The answer still streams while its first sentence is sent to be spoken: that needs a second connection."""


class Pool:
    """What all services share. `client.open_clients` makes one."""

    def __init__(
        self, nursery: trio.Nursery, limits: Limits, publish: Publish | None = None, observe: Observe | None = None
    ) -> None:
        self.gate = Gate(limits, publish)
        """What every post passes."""
        self._nursery = nursery
        self._publish = publish
        self._observe = observe
        self._loading = trio.Lock()
        self._http: Http | None = None
        self._closing = False
        self._services: Counter[str] = Counter()
        self._warming: set[str] = set()
        self._failing: set[str] = set()
        """Servers of which it was told that they fail."""

    async def http(self) -> Http:
        """The client. The import and the certificates take 0.1 s: a thread has them."""
        async with self._loading:
            if self._http is None:
                self._http = await trio.to_thread.run_sync(_load, self._observe)
        return self._http

    def preload(self) -> None:
        """Have the client made in the background: better at start, beside all else, than when speech begins."""
        self._nursery.start_soon(self._preload)

    async def _preload(self) -> None:
        try:
            await self.http()
        except Exception:  # noqa: BLE001 - told again, and handled, by the first request
            return

    def expect(self, base_url: str) -> None:
        """One more service will ask the server at `base_url`: it is kept warm for as many as there are."""
        self._services[base_url] += 1

    async def warm(self, base_url: str, connect: Callable[[], Awaitable[None]]) -> None:
        """Bring the idle connections to a server to what a turn needs at once, by as many calls of `connect`."""
        if base_url in self._warming:
            return
        self._warming.add(base_url)
        try:
            http = await self.http()
            wanted = min(max(self._services[base_url], 1), WARM_CONNECTIONS) - http.idle(base_url)
            async with trio.open_nursery() as nursery:
                for _ in range(wanted):
                    nursery.start_soon(_quietly, connect)
        except VoiceloopError:
            return
        finally:
            self._warming.discard(base_url)

    def soon(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run something that outlives the turn that asked for it."""
        if not self._closing:
            self._nursery.start_soon(work)

    def tell(self, name: str, /, **fields: object) -> None:
        """Publish an event, where anybody is told."""
        if self._publish is not None:
            self._publish(name, **fields)

    def fails(self, url: str, error: ServiceError, for_s: float) -> None:
        """A request has failed again, and is tried again for so long in all: nobody should wait without knowing why."""
        if url not in self._failing:
            self._failing.add(url)
            self.tell("notice", text=f"{error.place}: {error.what.rstrip('.')}: trying again, for {for_s:g} s in all.")

    def answers(self, url: str) -> None:
        """A request has succeeded."""
        if url in self._failing:
            self._failing.remove(url)
            self.tell("notice", text=f"{url} answers again.")

    async def aclose(self) -> None:
        """Close every connection; nothing is begun any more."""
        self._closing = True
        if self._http is not None:
            await self._http.aclose()


async def _quietly(connect: Callable[[], Awaitable[None]]) -> None:
    try:
        await connect()
    except ServiceError:
        return


def _load(observe: Observe | None) -> Http:
    from voiceloop.net.http import Http

    return Http(observe)
