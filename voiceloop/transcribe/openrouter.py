"""Transcribes by /audio/transcriptions: one utterance, one post. Knows no device and no turn."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field

from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Table
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.answers import transcript
from voiceloop.types import Transcript, Utterance


class OpenRouterTranscribeOptions(Table):
    """Options of `[transcribe] use = "openrouter"`."""

    model: str
    """The model that listens, like `openai/whisper-large-v3`; `voiceloop models --transcription` lists them."""
    language: str | None = None
    """What is spoken, as ISO 639-1 (`en`, `ja`); detected when left out."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """How freely the model guesses; 0 is its best guess."""
    provider: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options passed through to a provider, by its name: `provider.groq = { prompt = "names: Ada, Grace" }`."""


class OpenRouterTranscriber:
    """The transcriber that `use = "openrouter"` names."""

    Options: ClassVar[type[BaseModel]] = OpenRouterTranscribeOptions

    def __init__(self, options: OpenRouterTranscribeOptions, service: Service) -> None:
        self._options, self._service = options, service

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, OpenRouterTranscribeOptions)
            yield cls(options, services.clients.endpoint(services.config.openrouter))

        return opened()

    @property
    def description(self) -> str:
        language = f", language {self._options.language}" if self._options.language else ""
        return f"openrouter, {self._options.model}{language}"

    async def warm(self) -> None:
        await self._service.warm()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield _Posted(self)

    async def post(self, utterance: Utterance) -> Transcript:
        """Send one clip. Raises `ServiceError`s."""
        post = request(self._options, utterance)
        return transcript(await self._service.call(post), utterance, self._service.where(post))


class _Posted:
    """One utterance: nothing is sent before its end."""

    def __init__(self, transcriber: OpenRouterTranscriber) -> None:
        self._transcriber = transcriber

    async def feed(self, pcm: bytes) -> None:
        """A clip is posted whole."""

    async def finish(self, utterance: Utterance) -> Transcript:
        return await self._transcriber.post(utterance)


def request(options: OpenRouterTranscribeOptions, utterance: Utterance) -> Request:
    """The post of one clip: every field that is set, and no other."""
    data = base64.b64encode(wav_bytes(utterance.pcm, utterance.rate_hz)).decode("ascii")
    body: dict[str, Any] = {"model": options.model, "input_audio": {"data": data, "format": "wav"}}
    if options.language is not None:
        body["language"] = options.language
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.provider:
        body["provider"] = {"options": {name: dict(values) for name, values in options.provider.items()}}
    return Request("/audio/transcriptions", json=body, model=options.model)
