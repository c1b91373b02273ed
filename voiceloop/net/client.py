"""The services that parts talk to: endpoints with their keys, retries, and one shared client behind them.

Imports no HTTP library: `http.py`, which does, is loaded in a thread when a service is first used.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from voiceloop.config.address import ADDRESS, no_address
from voiceloop.config.tables import Endpoint, Limits
from voiceloop.errors import ConfigError, ServiceError, Unauthorized, VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.catalogue import MODALITY, Cache, Kind, Model, advice, character_usd, parse
from voiceloop.net.keys import read_key
from voiceloop.net.limits import Gate
from voiceloop.net.service import Request, Service
from voiceloop.net.wanted import Wanted, doubts
from voiceloop.net.watch import Observe
from voiceloop.nursery import private_nursery

if TYPE_CHECKING:
    from voiceloop.net.http import Http


ADVICE_S = 3.0
"""How long an error may take to find out what was meant."""
_KIND_OF: dict[str, Kind] = {"/audio/speech": "speech", "/audio/transcriptions": "transcription"}
WARM_CONNECTIONS = 2
"""The answer still streams while its first sentence is sent to be spoken: that needs a second connection."""


class Clients:
    """Hands out services; makes the one HTTP client at first use. Get one from `open_clients`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        publish: Publish | None = None,
        cache: Path | None = None,
        limits: Limits | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._nursery = nursery
        self._observe = observe
        self._publish = publish
        self._loading = trio.Lock()
        self._http: Http | None = None
        self._closing = False
        self._folder = cache
        self._listings: dict[tuple[str, Kind], tuple[Model, ...]] = {}
        limits = limits or Limits()
        self._limited = limits.max_cost_per_session is not None
        self.gate = Gate(limits, publish)
        """What every post passes."""
        self._services: Counter[str] = Counter()
        self._warming: set[str] = set()
        self._failing: set[str] = set()
        """Servers of which it was told that they fail."""

    def endpoint(self, settings: Endpoint, *, table: str = "openrouter") -> Service:
        """The service at `settings`, its key read now.

        Raises `Unauthorized` without a key and `ConfigError` for an address that can't be one; makes no request.
        """
        if what := no_address(settings.base_url):  # handlers' own addresses come here unchecked
            raise ConfigError([f"{table}.base_url: {what}. {ADDRESS}"])
        service = Service(self, settings, read_key(settings, os.environ, table=table), table)
        # The import takes 0.1 s: better now, beside everything else that starts, than when speech begins.
        self._nursery.start_soon(self._preload)
        return service

    def service(self, wanted: Wanted) -> Service:
        """The service of a part: as `endpoint`, and kept warm with the others at the same address."""
        settings, kind = wanted.settings, wanted.kind
        service = self.endpoint(settings, table=wanted.table)
        self._services[settings.base_url.rstrip("/")] += 1
        # What is known without asking: starting waits for no network.
        for line in doubts(wanted, self._cache().get(settings.base_url, kind) or ()):
            self.tell("notice", text=line)
        if kind == "speech":
            self._price(wanted, service, self._cache().get(settings.base_url, kind, newest_s=math.inf) or ())
            if self._limited:
                self.soon(partial(self._learn_price, wanted, service))
        return service

    def _price(self, wanted: Wanted, service: Service, listed: Sequence[Model]) -> None:
        service.character_usd = character_usd(wanted.models[0], listed)

    async def _learn_price(self, wanted: Wanted, service: Service) -> None:
        with suppress(VoiceloopError):
            self._price(wanted, service, await self.models(wanted.settings, wanted.kind, table=wanted.table))

    async def http(self) -> Http:
        """The client. The import and the certificates take 0.1 s: a thread has them."""
        async with self._loading:
            if self._http is None:
                self._http = await trio.to_thread.run_sync(_load, self._observe)
        return self._http

    async def _preload(self) -> None:
        try:
            await self.http()
        except Exception:  # noqa: BLE001 - told again, and handled, by the first request
            return

    async def models(
        self, settings: Endpoint, kind: Kind, *, fresh: bool = False, table: str = "openrouter"
    ) -> tuple[Model, ...]:
        """The models of a server, not more than a day old unless it can't be asked. Raises `ServiceError`s.

        The listing is public: without a key it is asked for without.
        """
        if not fresh and (known := self._cache().get(settings.base_url, kind)) is not None:
            return known
        try:
            service = self.endpoint(settings, table=table)
        except Unauthorized:
            keyless = settings.model_copy(update={"api_key_env": "", "api_key_file": None})
            service = self.endpoint(keyless, table=table)
        params = {"output_modalities": MODALITY[kind]}
        try:
            answer = await service.call(Request("/models", method="GET", params=params))
        except ServiceError:
            if (known := self._cache().get(settings.base_url, kind, newest_s=math.inf)) is None:
                raise
            return known
        found = parse(answer.value)
        if found:
            self._cache().put(settings.base_url, kind, found)
        return found

    async def advice(self, settings: Endpoint, request: Request) -> str:
        """What may help when the server refused a request: the names most like the model's or the voice's."""
        kind: Kind = _KIND_OF.get(request.path, "chat")
        known = (settings.base_url, kind)
        if known not in self._listings:
            self._listings[known] = ()  # asked once in a session, with whatever result
            with trio.move_on_after(ADVICE_S), suppress(VoiceloopError):
                self._listings[known] = await self.models(settings, kind)
        return advice(request.json, self._listings[known])

    def _cache(self) -> Cache:
        from platformdirs import user_cache_path

        return Cache(self._folder or user_cache_path("voiceloop", appauthor=False))

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


@asynccontextmanager
async def open_clients(
    publish: Publish | None = None,
    *,
    limits: Limits | None = None,
    cache: Path | None = None,
    observe: Observe | None = None,
) -> AsyncIterator[Clients]:
    """All connections live inside; leaving closes them.

    `publish` is told of retries (`net.retry`) and of pauses (`notice`); `limits` are those of the config; `cache` is
    the folder for listings of models, the user's own when not given; `observe` is told of every request.
    """
    clients: Clients | None = None
    try:
        async with private_nursery() as nursery:
            clients = Clients(nursery, publish, cache, limits, observe)
            yield clients
    finally:
        # After the nursery: what still runs there must not meet a closed client.
        if clients is not None:
            with trio.CancelScope(shield=True):
                await clients.aclose()
