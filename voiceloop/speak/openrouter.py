"""Speaks by /audio/speech: PCM streamed as it is made. Knows no device and no turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.tables import Table
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services
from voiceloop.speak.streamed import mp3_speech, streamed_speech
from voiceloop.types import Speech


class OpenRouterSpeakOptions(Table):
    """Options of `[speak] use = "openrouter"`."""

    model: str
    """The model that speaks, like `openai/gpt-4o-mini-tts-2025-12-15`; `voiceloop models --speech` lists them."""
    voice: str
    """Its voice; each model has its own."""
    speed: Annotated[float, Field(gt=0, le=4)] | None = None
    """How fast, 1 is normal; ignored by providers that don't know it."""
    instructions: str | None = None
    """How to speak, in words, for OpenAI's models (`provider.openai.instructions`)."""
    provider: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options passed through to a provider, by its name: `provider.azure = { style = "cheerful" }`."""
    rate_hz: Annotated[int, Field(ge=4_000, le=192_000)] = 24_000
    """The rate of the samples when the server doesn't say it."""


class OpenRouterSynthesizer:
    """The synthesizer that `use = "openrouter"` names."""

    Options: ClassVar[type[BaseModel]] = OpenRouterSpeakOptions

    def __init__(self, options: OpenRouterSpeakOptions, service: Service) -> None:
        self._options, self._service = options, service

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, OpenRouterSpeakOptions)
            yield cls(options, services.clients.endpoint(services.config.openrouter))

        return opened()

    @property
    def description(self) -> str:
        return f"openrouter, {self._options.model}, voice {self._options.voice}"

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
        provider = {name: dict(values) for name, values in options.provider.items()}
        if options.instructions is not None:
            provider.setdefault("openai", {})["instructions"] = options.instructions
        if provider:
            body["provider"] = {"options": provider}
        return Request("/audio/speech", json=body, model=options.model)
