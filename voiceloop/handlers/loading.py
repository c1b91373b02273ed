"""Has Ollama load the model before the first question, and again after a long silence. Other servers are left alone.

An empty request loads a model. Ollama unloads it five minutes after the last request unless told otherwise.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import trio

from voiceloop.config.address import is_near
from voiceloop.config.tables import Retry
from voiceloop.errors import NoSuchModel, ServiceError
from voiceloop.net.local_servers import instead
from voiceloop.net.service import Request, Service
from voiceloop.net.wanted import Wanted
from voiceloop.nursery import private_nursery
from voiceloop.plugins import Services

KEEP_ALIVE = "30m"
"""How long Ollama keeps the model after the last request. Longer than its default, so that a pause in the conversation
costs nothing; but not for ever: the memory is free again some time after the program has ended."""
AGAIN_AFTER_S = 20 * 60.0
"""How long after a loading request the next onset of speech sends another. Shorter than `KEEP_ALIVE`; if the model is
still loaded, it takes milliseconds."""
LOAD_S = 300.0
"""How long loading may take: from a slow disk, minutes."""
_NOT_FOUND = re.compile(r"model ['\"].{1,200}['\"] not found")
_OTHER_SERVER = re.compile(r"unexpected endpoint", re.IGNORECASE)
"""What LM Studio answers to Ollama's requests, with status 200."""


class Loader:
    """Sends loading requests in the background. `service` is the server without `/v1`; None: it is none to ask."""

    def __init__(self, service: Service | None, model: str, services: Services, nursery: trio.Nursery) -> None:
        self._service, self._model, self._services, self._nursery = service, model, services, nursery
        self._asked_at: float | None = None
        self._told = False
        """Whether the failure that lasts was said."""

    def soon(self) -> None:
        """Have the model loaded, if that was not asked for lately. Returns at once."""
        now = trio.current_time()
        if self._service is None or (self._asked_at is not None and now - self._asked_at < AGAIN_AFTER_S):
            return
        self._asked_at = now
        self._nursery.start_soon(self._load, self._service, name="load the language model")

    async def _load(self, service: Service) -> None:
        body = {"model": self._model, "keep_alive": KEEP_ALIVE, "stream": False}
        try:
            await service.call(Request("/api/generate", json=body))
        except NoSuchModel as error:
            if _NOT_FOUND.search(error.what):  # else it is another server's answer to an unknown path
                await self._failed(service, f"there is no '{self._model}' at {service.shown_url}", missing=True)
        except ServiceError as error:
            if error.retryable and not _OTHER_SERVER.search(error.what):
                await self._failed(service, f"the model can't be loaded: {error}", missing=False)
        else:
            self._told = False

    async def _failed(self, service: Service, what: str, *, missing: bool) -> None:
        """Say it once, and ask again at the next onset of speech: the server may be started, or the model fetched."""
        told, self._told = self._told, True
        if not told:
            remedy = f". {await self._remedy(service)}" if missing else ""
            self._services.publish("notice", text=f"handler.model: {what}{remedy}")
        self._asked_at = None

    async def _remedy(self, service: Service) -> str:
        names: list[object] = []
        with suppress(ServiceError):
            listed = (await service.call(Request("/api/tags", method="GET"))).value.get("models")
            names = [row.get("name") for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        fetch = f"ollama pull {shlex.quote(self._model)}"
        there = instead(self._model, [name for name in names if isinstance(name, str)])
        return f"{there}, or fetch it: {fetch}" if there else f"Fetch it: {fetch}"


@asynccontextmanager
async def open_loader(wanted: Wanted, services: Services) -> AsyncIterator[Loader]:
    """The loader for the first model of `wanted`. Leaving the context gives up on a model that is still loading.

    It asks only servers of this machine and the local network that need no key: never one that costs money.
    """
    async with private_nursery() as nursery:
        root = _root(wanted)
        service = None if root is None else services.clients.service(root)
        yield Loader(service, wanted.models[0], services, nursery)


def _root(wanted: Wanted) -> Wanted | None:
    """The server's address without `/v1`, asked once and patiently; None if it is not to be asked."""
    settings = wanted.settings
    base_url = settings.base_url.rstrip("/")
    if settings.api_key_env or settings.api_key_file or not is_near(base_url) or urlsplit(base_url).path != "/v1":
        return None
    once = {"read_timeout_s": LOAD_S, "retry": Retry(connection_errors=False, max_elapsed_s=0.0)}
    changes = {"base_url": base_url.removesuffix("/v1"), **once}
    return Wanted(wanted.part, wanted.kind, settings.model_copy(update=changes), wanted.table, ())
