"""The base class of parts that use a server: opening them and warming their connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from voiceloop.net.service import Service
from voiceloop.net.wanted import Wants
from voiceloop.plugins import Services


class ServicePart:
    """A part whose options (`Wants`) name a server and what the part needs from it."""

    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any, service: Service, services: Services) -> None:
        self._options, self._service, self._services = options, service, services

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, Wants)
            yield cls(options, services.clients.service(options.wanted(services.config.openrouter)), services)

        return opened()

    async def warm(self) -> None:
        """Open connections in advance. Failures of the service are ignored."""
        await self._service.warm()
