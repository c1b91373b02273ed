"""Hands out the services that parts ask: endpoints with their keys, and what their servers say that they have."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio

from voiceloop.config.address import ADDRESS, no_address
from voiceloop.config.tables import Endpoint, Limits
from voiceloop.errors import ConfigError, ServiceError, Unauthorized, VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.catalogue import MODALITY, Cache, Kind, Model, advice, character_usd, parse
from voiceloop.net.keys import read_key
from voiceloop.net.pool import Pool
from voiceloop.net.service import Request, Service
from voiceloop.net.wanted import Wanted, doubts
from voiceloop.net.watch import Observe
from voiceloop.nursery import private_nursery

ADVICE_S = 3.0
"""How long an error may take to find out what was meant."""
_KIND_OF: dict[str, Kind] = {"/audio/speech": "speech", "/audio/transcriptions": "transcription"}


class Clients:
    """Hands out services. Get one from `open_clients`."""

    def __init__(self, pool: Pool, *, cache: Path | None = None, limits: Limits | None = None) -> None:
        self.pool = pool
        """What its services share."""
        self._folder = cache
        self._listings: dict[tuple[str, Kind], tuple[Model, ...]] = {}
        self._limited = limits is not None and limits.max_cost_per_session is not None

    def endpoint(self, settings: Endpoint, *, table: str = "openrouter") -> Service:
        """The service at `settings`, its key read now.

        Raises `Unauthorized` without a key and `ConfigError` for an address that can't be one; makes no request.
        """
        if what := no_address(settings.base_url):  # handlers' own addresses come here unchecked
            raise ConfigError([f"{table}.base_url: {what}. {ADDRESS}"])
        service = Service(self.pool, settings, read_key(settings, os.environ, table=table), table, self.advice)
        self.pool.preload()
        return service

    def service(self, wanted: Wanted) -> Service:
        """The service of a part: as `endpoint`, and kept warm with the others at the same address."""
        settings, kind = wanted.settings, wanted.kind
        service = self.endpoint(settings, table=wanted.table)
        self.pool.expect(settings.base_url.rstrip("/"))
        # What is known without asking: starting waits for no network.
        for line in doubts(wanted, self._cache().get(settings.base_url, kind) or ()):
            self.pool.tell("notice", text=line)
        if kind == "speech":
            self._price(wanted, service, self._cache().get(settings.base_url, kind, newest_s=math.inf) or ())
            if self._limited:
                self.pool.soon(partial(self._learn_price, wanted, service))
        return service

    def _price(self, wanted: Wanted, service: Service, listed: Sequence[Model]) -> None:
        service.character_usd = character_usd(wanted.models[0], listed)

    async def _learn_price(self, wanted: Wanted, service: Service) -> None:
        with suppress(VoiceloopError):
            self._price(wanted, service, await self.models(wanted.settings, wanted.kind, table=wanted.table))

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
    pool: Pool | None = None
    try:
        async with private_nursery() as nursery:
            pool = Pool(nursery, limits or Limits(), publish, observe)
            yield Clients(pool, cache=cache, limits=limits)
    finally:
        # After the nursery: what still runs there must not meet a closed client.
        if pool is not None:
            with trio.CancelScope(shield=True):
                await pool.aclose()
