"""The factory of services (an endpoint with its key) for the parts of the pipeline, with cached model listings."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio

from voiceloop.config.address import ADDRESS, is_near, no_address
from voiceloop.config.server_tables import Endpoint, Limits
from voiceloop.errors import ConfigError, ServiceError, Unauthorized, VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.catalogue import MODALITY, Cache, Kind, Model, advice, character_usd, find, parse
from voiceloop.net.keys import read_key
from voiceloop.net.local_servers import instead
from voiceloop.net.pool import Pool
from voiceloop.net.providers import Provider, parse_providers, path_of
from voiceloop.net.service import Request, Service
from voiceloop.net.wanted import Wanted, doubts, lacks
from voiceloop.net.watch import Observe
from voiceloop.nursery import private_nursery

ADVICE_S = 3.0
"""Time limit for fetching a model listing in order to add a hint to an error."""
_KIND_OF: dict[str, Kind] = {"/audio/speech": "speech", "/audio/transcriptions": "transcription"}


class Clients:
    """Creates services that share one connection pool. Made by `open_clients`."""

    def __init__(self, pool: Pool, *, cache: Path | None = None, limits: Limits | None = None) -> None:
        self.pool = pool
        """The connection pool and the limits, shared by all services."""
        self._folder = cache
        self._listings: dict[tuple[str, Kind], tuple[Model, ...]] = {}
        self._limited = limits is not None and limits.max_cost_per_session is not None

    def endpoint(self, settings: Endpoint, *, table: str = "openrouter") -> Service:
        """The service at `settings`. Reads the key now; makes no request.

        Raises `Unauthorized` when the key is missing and `ConfigError` when the address is invalid.
        """
        if what := no_address(settings.base_url):  # addresses from handlers are not checked earlier
            raise ConfigError([f"{table}.base_url: {what}. {ADDRESS}"])
        service = Service(self.pool, settings, read_key(settings, os.environ, table=table), table, self.advice)
        self.pool.preload()
        return service

    def service(self, wanted: Wanted) -> Service:
        """The service of a part: as `endpoint`, and its server is counted for the number of warm connections.

        Publishes a `notice` for each model or voice that the cached listing of the server doesn't contain, and for each
        key that the listing says the model, or each of its providers, doesn't take.
        """
        settings, kind = wanted.settings, wanted.kind
        service = self.endpoint(settings, table=wanted.table)
        self.pool.expect(settings.base_url.rstrip("/"))
        # Only the cache is consulted here: start-up does not wait for the network.
        known = self._cache().get(settings.base_url, kind)
        self._tell(doubts(wanted, known or ()))
        _learn(service, wanted, known or self._cache().get(settings.base_url, kind, newest_s=math.inf) or ())
        if (kind == "speech" and self._limited) or (wanted.needs_listing and known is None):
            self.pool.soon(partial(self._fetch_listing, wanted, service, told=known is not None))
        if wanted.features and wanted.table == "openrouter":
            self.pool.soon(partial(self._ask_providers, wanted))
        return service

    def _tell(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.pool.tell("notice", text=line)

    async def _fetch_listing(self, wanted: Wanted, service: Service, *, told: bool) -> None:
        with suppress(VoiceloopError):
            listed = await self.models(wanted.settings, wanted.kind, table=wanted.table)
            _learn(service, wanted, listed)
            if not told:
                self._tell(doubts(wanted, listed))

    async def _ask_providers(self, wanted: Wanted) -> None:
        with suppress(VoiceloopError):
            self._tell(lacks(wanted, await self.providers(wanted)))

    async def providers(self, wanted: Wanted) -> tuple[Provider, ...]:
        """The providers of a part's model, the fastest first; none of a preset, which is of the user's account. Raises
        `ServiceError`s."""
        if wanted.models[0].startswith("@"):
            return ()
        service = self.endpoint(wanted.settings, table=wanted.table)
        request = Request(path_of(wanted.models[0]), method="GET")
        return parse_providers((await service.call(request)).value, wanted.kind, service.hide)

    async def models(
        self, settings: Endpoint, kind: Kind, *, fresh: bool = False, stale: bool = True, table: str = "openrouter"
    ) -> tuple[Model, ...]:
        """The models of a server. Raises `ServiceError`s.

        A cached listing is used for a day, or at any age when the server can't be asked, unless `stale` is False;
        `fresh` always asks first.
        Listings are public: when the key is missing, the request is made without one.
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
            if not stale or (known := self._cache().get(settings.base_url, kind, newest_s=math.inf)) is None:
                raise
            return known
        # The listing of all chat models takes longer to clean than the loop may stand still.
        found = await trio.to_thread.run_sync(parse, answer.value, service.hide)
        if found:
            self._cache().put(settings.base_url, kind, found)
        return found

    async def advice(self, settings: Endpoint, request: Request) -> str:
        """A hint for a request that the server refused: names similar to its model or voice. May be empty."""
        kind: Kind = _KIND_OF.get(request.path, "chat")
        known = (settings.base_url, kind)
        if known not in self._listings:
            self._listings[known] = ()  # fetched at most once in a session, even when that fails
            with trio.move_on_after(ADVICE_S), suppress(VoiceloopError):
                self._listings[known] = await self.models(settings, kind)
        listed = self._listings[known]
        if kind == "chat" and is_near(settings.base_url) and listed and find(request.model, listed) is None:
            return instead(request.model, [model.id for model in listed])
        return advice({"model": request.model} | (request.json or {}), listed)

    def _cache(self) -> Cache:
        from platformdirs import user_cache_path

        return Cache(self._folder or user_cache_path("voiceloop", appauthor=False))


def _learn(service: Service, wanted: Wanted, listed: Sequence[Model]) -> None:
    """Tell a service what the listing says of its model; nothing where the server itself is meant, and no model."""
    if not wanted.models:
        return
    service.listed = find(wanted.models[0], listed)
    if wanted.kind == "speech":
        service.character_usd = character_usd(wanted.models[0], listed)


@asynccontextmanager
async def open_clients(
    publish: Publish | None = None,
    *,
    limits: Limits | None = None,
    cache: Path | None = None,
    observe: Observe | None = None,
) -> AsyncIterator[Clients]:
    """The factory of services; leaving the context closes all connections.

    `publish` gets an event for each retry (`net.retry`) and a `notice` for each pause. `limits` are those of the
    config. `cache` is the folder for model listings, by default the user's cache folder. `observe` is called for every
    request.
    """
    pool: Pool | None = None
    try:
        async with private_nursery() as nursery:
            pool = Pool(nursery, limits or Limits(), publish, observe)
            yield Clients(pool, cache=cache, limits=limits)
    finally:
        # Close after the nursery: its tasks still use the client until they end.
        if pool is not None:
            with trio.CancelScope(shield=True):
                await pool.aclose()
