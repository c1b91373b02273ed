"""Speaks by a server of OpenAI's shape, such as people run themselves: kokoro-fastapi, speaches, LocalAI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.tables import Endpoint
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services
from voiceloop.speak.streamed import mp3_speech, streamed_speech
from voiceloop.types import Speech


class OpenAISpeakOptions(Endpoint):
    """Options of `[speak] use = "openai"`: a server of OpenAI's shape, and what to ask it."""

    base_url: str = "http://127.0.0.1:8880/v1"
    """Where it is."""
    api_key_env: str | None = ""
    """The environment variable that holds its key; empty for a server that needs none."""
    title: str | None = None
    """`X-OpenRouter-Title`: of no use here."""
    model: str = "tts-1"
    """The model that speaks; some servers have but one and ignore this."""
    voice: str = "alloy"
    """Its voice; each server has its own."""
    speed: Annotated[float, Field(gt=0, le=4)] | None = None
    """How fast, 1 is normal."""
    instructions: str | None = None
    """How to speak, in words, for models that know it."""
    rate_hz: Annotated[int, Field(ge=4_000, le=192_000)] = 24_000
    """The rate of the samples when the server doesn't say it."""


class OpenAISynthesizer:
    """The synthesizer that `use = "openai"` names."""

    Options: ClassVar[type[BaseModel]] = OpenAISpeakOptions

    def __init__(self, options: OpenAISpeakOptions, service: Service) -> None:
        self._options, self._service = options, service

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, OpenAISpeakOptions)
            yield cls(options, services.clients.endpoint(options, table="speak"))

        return opened()

    @property
    def description(self) -> str:
        return f"openai, {self._options.model}, voice {self._options.voice} at {self._service.shown_url}"

    async def warm(self) -> None:
        await self._service.warm()

    def speech(self, text: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`. Nothing is tried again once sound has been given out. Raises `ServiceError`s on leaving."""
        return streamed_speech(self._service, self._request(text, "pcm"), self._options.rate_hz)

    async def mp3(self, text: str) -> bytes:
        """`text` spoken, as MP3, for saving. Raises `ServiceError`s."""
        return await mp3_speech(self._service, self._request(text, "mp3"))

    def _request(self, text: str, form: Literal["pcm", "mp3"]) -> Request:
        options = self._options
        body: dict[str, Any] = {"model": options.model, "input": text, "voice": options.voice}
        body["response_format"] = form
        if options.speed is not None:
            body["speed"] = options.speed
        if options.instructions is not None:
            body["instructions"] = options.instructions
        return Request("/audio/speech", json=body, model=options.model)
