"""Transcribes by /audio/transcriptions: one utterance, one post. Knows no device and no turn."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Conflict, Table
from voiceloop.events import Publish
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.posting import Poster, Posting
from voiceloop.types import Utterance


class OpenRouterTranscribeOptions(Table):
    """Options of `[transcribe] use = "openrouter"`."""

    model: str
    """The model that listens, like `openai/whisper-large-v3`; `voiceloop models --transcription` lists them."""
    language: str | None = None
    """What is spoken, as ISO 639-1 (`en`, `ja`); detected when left out."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """How freely the model guesses; 0 is its best guess."""
    response_format: Literal["json", "verbose_json"] = "json"
    """`verbose_json` asks for words, confidence and the language too; a model that refuses it is asked without, which
    is said once."""
    timestamp_granularities: tuple[Literal["segment", "word"], ...] = ()
    """What `verbose_json` gives times of."""
    max_clip_s: Annotated[float, Field(ge=5, le=3600)] | None = None
    """Longer clips are cut at pauses. Left out: what is known of the model, or is learned when it refuses one."""
    provider: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Options passed through to a provider, by its name: `provider.groq = { prompt = "names: Ada, Grace" }`."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            yield Conflict(
                ("timestamp_granularities", "response_format"),
                "needs response_format = 'verbose_json'",
                "Set that, or leave timestamp_granularities out.",
            )


class OpenRouterTranscriber:
    """The transcriber that `use = "openrouter"` names."""

    Options: ClassVar[type[BaseModel]] = OpenRouterTranscribeOptions

    def __init__(self, options: OpenRouterTranscribeOptions, service: Service, publish: Publish) -> None:
        self._options, self._service = options, service
        verbose = options.response_format == "verbose_json"

        def request_(utterance: Utterance, verbose: bool) -> Request:
            return request(options, utterance, verbose=verbose)

        self._poster = Poster(service, Posting(request_, options.model, verbose, options.max_clip_s), publish)

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, OpenRouterTranscribeOptions)
            yield cls(options, services.clients.endpoint(services.config.openrouter), services.publish)

        return opened()

    @property
    def description(self) -> str:
        language = f", language {self._options.language}" if self._options.language else ""
        return f"openrouter, {self._options.model}{language}"

    async def warm(self) -> None:
        await self._service.warm()

    def transcription(self) -> AbstractAsyncContextManager[Transcription]:
        return self._poster.transcription()


def request(options: OpenRouterTranscribeOptions, utterance: Utterance, *, verbose: bool = False) -> Request:
    """The post of one clip: every field that is set, and no other."""
    data = base64.b64encode(wav_bytes(utterance.pcm, utterance.rate_hz)).decode("ascii")
    body: dict[str, Any] = {"model": options.model, "input_audio": {"data": data, "format": "wav"}}
    if options.language is not None:
        body["language"] = options.language
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if verbose:
        body["response_format"] = "verbose_json"
        if options.timestamp_granularities:
            body["timestamp_granularities"] = list(options.timestamp_granularities)
    if options.provider:
        body["provider"] = {"options": {name: dict(values) for name, values in options.provider.items()}}
    return Request("/audio/transcriptions", json=body, model=options.model)
