"""Speaks by /audio/speech: PCM streamed as it is made. Knows no device and no turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.tables import Table
from voiceloop.net.failures import BODY_LIMIT, bad_answer
from voiceloop.net.service import Request, Service, generation_id, refusal
from voiceloop.net.streams import streaming
from voiceloop.plugins import Services
from voiceloop.speak.wire import NotSpeech, SpeechParser, announced
from voiceloop.types import Speech, Usage

if TYPE_CHECKING:
    from voiceloop.net.http import Answer, Attempt

CHANNEL_PIECES = 4
"""Pieces of at most 64 KB between the socket and the player; when they are there the socket waits."""
MAX_SPEECH_S = 600.0
"""One chunk of a reply is a sentence or two; an answer longer than this never ends."""


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

    @asynccontextmanager
    async def speech(self, text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        """Speak `text`. Nothing is tried again once sound has been given out. Raises `ServiceError`s on leaving."""

        async def produce(send: trio.MemorySendChannel[Speech]) -> None:
            await _Utter(self._service, self._request(text), self._options.rate_hz, send).run()

        async with streaming(produce, CHANNEL_PIECES) as pieces:
            yield pieces

    def _request(self, text: str) -> Request:
        options = self._options
        body: dict[str, Any] = {"model": options.model, "input": text, "voice": options.voice}
        body["response_format"] = "pcm"
        if options.speed is not None:
            body["speed"] = options.speed
        provider = {name: dict(values) for name, values in options.provider.items()}
        if options.instructions is not None:
            provider.setdefault("openai", {})["instructions"] = options.instructions
        if provider:
            body["provider"] = {"options": provider}
        return Request("/audio/speech", json=body, model=options.model)


class _Utter:
    """One text on its way to sound."""

    def __init__(self, service: Service, request: Request, rate_hz: int, send: trio.MemorySendChannel[Speech]) -> None:
        self._service, self._request, self._rate_hz, self._send = service, request, rate_hz, send
        self._given = False

    async def run(self) -> None:
        await self._service.retry(self._attempt, may_repeat=lambda: not self._given)

    async def _attempt(self, tried: Attempt) -> None:
        async with self._service.exchange(self._request, tried) as answer:
            try:
                format_ = announced(answer.kind, rate_hz=self._rate_hz)
            except NotSpeech as error:
                raise refusal(await answer.read(BODY_LIMIT, cut=True), answer, str(error)) from None
            parser = SpeechParser(format_)

            async def take(piece: bytes) -> bool:
                await self._give(parser.feed(piece), answer)
                if parser.samples > MAX_SPEECH_S * parser.rate_hz:
                    raise bad_answer(f"the speech is over {MAX_SPEECH_S:g} s long", answer.where)
                return True

            try:
                await answer.drain(take)
                await self._give(parser.end(), answer)
            except NotSpeech as error:
                raise refusal(error.said, answer, str(error)) from None
            if not parser.samples:
                raise bad_answer("the answer holds no sound", answer.where, remedy="Name another voice or model")

    async def _give(self, speech: Speech | None, answer: Answer) -> None:
        if speech is None:
            return
        if not self._given:
            # The first piece carries the account: what was begun is paid for, even when the rest is never heard.
            id_ = generation_id(answer)
            characters = len(self._request.json["input"])
            speech = replace(speech, usage=Usage(characters=characters, generation_ids=(id_,) if id_ else ()))
        self._given = True
        await self._send.send(speech)
