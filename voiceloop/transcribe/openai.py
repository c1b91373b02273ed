"""Transcribes by OpenAI's own form of /audio/transcriptions, which is what servers that people run themselves speak:
speaches, LocalAI, vLLM, whisper.cpp's server (with `--inference-path /v1/audio/transcriptions`)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Endpoint
from voiceloop.events import Publish
from voiceloop.net.service import Request, Service
from voiceloop.plugins import Services, Transcription
from voiceloop.transcribe.posting import Poster, Posting
from voiceloop.types import Utterance


class OpenAITranscribeOptions(Endpoint):
    """Options of `[transcribe] use = "openai"`: a server of OpenAI's shape, and what to ask it."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """Where it is."""
    api_key_env: str | None = ""
    """The environment variable that holds its key; empty for a server that needs none."""
    title: str | None = None
    """`X-OpenRouter-Title`: of no use here."""
    model: str = "whisper-1"
    """The model that listens; some servers have but one and ignore this."""
    language: str | None = None
    """What is spoken, as ISO 639-1 (`en`, `ja`); detected when left out."""
    prompt: str | None = None
    """Words that are likely to be said: names, terms."""
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    """How freely the model guesses; 0 is its best guess."""
    response_format: Literal["json", "verbose_json"] = "json"
    """`verbose_json` asks for confidence and the language too; a server that refuses it is asked without, which is said
    once."""
    max_clip_s: Annotated[float, Field(ge=5, le=3600)] | None = None
    """Longer clips are cut at pauses."""


class OpenAITranscriber:
    """The transcriber that `use = "openai"` names."""

    Options: ClassVar[type[BaseModel]] = OpenAITranscribeOptions

    def __init__(self, options: OpenAITranscribeOptions, service: Service, publish: Publish) -> None:
        self._options, self._service = options, service
        verbose = options.response_format == "verbose_json"

        def request_(utterance: Utterance, verbose: bool) -> Request:
            return request(options, utterance, verbose=verbose)

        self._poster = Poster(service, Posting(request_, options.model, verbose, options.max_clip_s), publish)

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, OpenAITranscribeOptions)
            yield cls(options, services.clients.endpoint(options, table="transcribe"), services.publish)

        return opened()

    @property
    def description(self) -> str:
        return f"openai, {self._options.model} at {self._service.shown_url}"

    async def warm(self) -> None:
        await self._service.warm()

    def transcription(self) -> AbstractAsyncContextManager[Transcription]:
        return self._poster.transcription()


def request(options: OpenAITranscribeOptions, utterance: Utterance, *, verbose: bool = False) -> Request:
    """The form for one clip: every field that is set, and no other."""
    fields = {"model": options.model, "response_format": "verbose_json" if verbose else "json"}
    if options.language is not None:
        fields["language"] = options.language
    if options.prompt is not None:
        fields["prompt"] = options.prompt
    if options.temperature is not None:
        fields["temperature"] = f"{options.temperature:g}"
    body = form(fields, wav_bytes(utterance.pcm, utterance.rate_hz), secrets.token_hex(16))
    return Request("/audio/transcriptions", body=body, model=options.model)


def form(fields: Mapping[str, str], clip: bytes, boundary: str) -> tuple[str, bytes]:
    """Content type and body of a form with a WAV as its `file` (RFC 7578)."""
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
    lines += [f"{head}Content-Type: audio/wav\r\n\r\n".encode(), clip, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(lines)
