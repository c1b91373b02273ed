"""Answers with a language model: /chat/completions, streamed. Knows no sound and writes no history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.tables import Table
from voiceloop.handlers.completion import CompletionReader, Delta
from voiceloop.net.failures import BODY_LIMIT, bad_answer
from voiceloop.net.service import Request, Service, generation_id, refusal
from voiceloop.net.streams import streaming
from voiceloop.plugins import Reply, Services, Turns
from voiceloop.types import Message, Transcript, Usage

if TYPE_CHECKING:
    from voiceloop.net.http import Attempt

SYSTEM = (
    "You are a voice assistant: what you answer is spoken aloud. Answer in the user's language, in one to three short "
    "sentences of plain speech, without Markdown, lists, links or emoji. What the user says comes from speech "
    "recognition and may hold mistakes: guess what was meant."
)
CHANNEL_DELTAS = 64
"""Pieces of text between the socket and the reply; when they are there the socket waits."""


class ChatOptions(Table):
    """Options of `[handler] use = "chat"`."""

    model: str
    """The model that answers; `voiceloop models --chat` lists them."""
    system: str = SYSTEM
    """The system prompt; empty for none."""
    history_turns: Annotated[int, Field(ge=0, le=1_000)] = 20
    """How many past messages (yours and what was heard of the answers) the model is shown."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely the model answers."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The longest answer."""
    provider: dict[str, Any] = Field(default_factory=dict)
    """OpenRouter's provider routing, as in its documentation: `provider = { sort = "latency" }`."""


class ChatHandler:
    """The handler that `use = "chat"` names."""

    Options: ClassVar[type[BaseModel]] = ChatOptions
    turns: ClassVar[Turns] = "replace"
    speculative: ClassVar[bool] = True

    def __init__(self, options: ChatOptions, service: Service) -> None:
        self._options, self._service = options, service

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, ChatOptions)
            yield cls(options, services.clients.endpoint(services.config.openrouter))

        return opened()

    @property
    def description(self) -> str:
        return f"chat, {self._options.model}"

    async def warm(self) -> None:
        await self._service.warm()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's answer into `reply`. Raises `ServiceError`s; what was said before one stays said."""
        request = self._request(reply.history, transcript.text)

        async def produce(send: trio.MemorySendChannel[Delta]) -> None:
            await _stream(self._service, request, send)

        async with streaming(produce, CHANNEL_DELTAS) as deltas:
            async for delta in deltas:
                if isinstance(delta, Usage):
                    reply.spent(delta)
                else:
                    await reply.say(delta)

    def _request(self, history: Sequence[Message], said: str) -> Request:
        options = self._options
        messages = [{"role": "system", "content": options.system}] if options.system else []
        recent = history[-options.history_turns :] if options.history_turns else ()
        messages += [{"role": message.role, "content": message.text} for message in recent]
        messages.append({"role": "user", "content": said})
        body: dict[str, Any] = {"model": options.model, "messages": messages, "stream": True}
        body["stream_options"] = {"include_usage": True}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens is not None:
            body["max_tokens"] = options.max_tokens
        if options.provider:
            body["provider"] = options.provider
        return Request("/chat/completions", json=body, model=options.model)


async def _stream(service: Service, request: Request, send: trio.MemorySendChannel[Delta]) -> None:
    """Send the answer's deltas, starting over on a failure only while there were none."""
    given = False

    async def attempt(tried: Attempt) -> None:
        nonlocal given
        async with service.exchange(request, tried) as answer:
            kind = answer.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                what = f"the answer is {kind[:80] or 'of no type'}, not a stream of events"
                raise refusal(await answer.read(BODY_LIMIT, cut=True), answer, what)
            reader = CompletionReader(answer.where, generation_id(answer))

            async def take(piece: bytes) -> bool:
                nonlocal given
                for delta in reader.feed(piece):
                    given = True
                    await send.send(delta)
                return not reader.done

            await answer.drain(take)
            if not reader.finished:
                raise bad_answer("the answer ended before its end", answer.where, remedy="Ask again")

    await service.retry(attempt, may_repeat=lambda: not given)
