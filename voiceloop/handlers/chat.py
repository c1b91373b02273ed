"""Answers with a language model: /chat/completions, streamed. Knows no sound and writes no history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field

from voiceloop.config.tables import Table
from voiceloop.handlers.completing import Patience, completing
from voiceloop.handlers.completion import ToolCall
from voiceloop.handlers.prompt import SYSTEM, messages, recent
from voiceloop.handlers.tools import Toolbox, requested
from voiceloop.net.service import Service
from voiceloop.plugins import Reply, Services, Turns
from voiceloop.types import Transcript, Usage


class ChatOptions(Table):
    """Options of `[handler] use = "chat"`."""

    model: str
    """The model that answers; `voiceloop models --chat` lists them."""
    base_url: str | None = None
    """Another server than that in `[openrouter]`; everything else there (time-outs, retries) holds for it too."""
    api_key_env: str | None = None
    """The environment variable that holds the key of `base_url`; without one it gets none."""
    models: tuple[str, ...] = ()
    """Models to fall back on, in this order, when `model` is down, too busy or refuses (OpenRouter routes to them)."""
    system: str = SYSTEM
    """The system prompt; empty for none."""
    history_turns: Annotated[int, Field(ge=0, le=1_000)] = 20
    """How many past messages (yours and what was heard of the answers) the model is shown."""
    history_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = 4_000
    """About how many tokens of them."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely the model answers."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The longest answer."""
    first_word_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    """How long the model may think before its first word; it is asked again as `openrouter.retry` allows."""
    next_word_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long it may then be silent."""
    tools: tuple[str, ...] = ()
    """Functions that the model may call, as `module:function`; their type hints and docstrings describe them to it.
    They are called only when it is certain that you have finished speaking."""
    tool_rounds: Annotated[int, Field(ge=1, le=50)] = 5
    """How often, in one turn, the model may call tools and go on with their results."""
    provider: dict[str, Any] = Field(default_factory=dict)
    """OpenRouter's provider routing, as in its documentation: `provider = { sort = "latency" }`."""


class ChatHandler:
    """The handler that `use = "chat"` names."""

    Options: ClassVar[type[BaseModel]] = ChatOptions
    turns: ClassVar[Turns] = "replace"
    speculative: ClassVar[bool] = True

    def __init__(self, options: ChatOptions, service: Service) -> None:
        self._options, self._service = options, service
        self._tools = Toolbox(options.tools)

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, ChatOptions)
            settings, table = services.config.openrouter, "openrouter"
            if options.base_url is not None:
                # Never the key of the one server to the other.
                own = {"base_url": options.base_url, "api_key_env": options.api_key_env or "", "api_key_file": None}
                settings, table = settings.model_copy(update=own), "handler"
            yield cls(options, services.clients.endpoint(settings, table=table))

        return opened()

    @property
    def description(self) -> str:
        tools = f", {len(self._options.tools)} tools" if self._tools else ""
        return f"chat, {self._options.model}{tools}"

    async def warm(self) -> None:
        await self._service.warm()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's answer into `reply`. Raises `ServiceError`s; what was said before one stays said."""
        options = self._options
        past = recent(reply.history, turns=options.history_turns, limit_tokens=options.history_tokens)
        shown = messages(options.system, past, transcript.text)
        for number in range(options.tool_rounds + 1):
            text, calls = await self._round(self._body(shown, tools=number < options.tool_rounds), reply)
            if not calls:
                return
            # A tool may change the world.
            await reply.committed()
            shown = [*shown, requested(text, calls), *[await self._tools.answer(call) for call in calls]]

    async def _round(self, body: dict[str, Any], reply: Reply) -> tuple[str, list[ToolCall]]:
        """One request; gives what it said and the tools that it calls."""
        said: list[str] = []
        calls: list[ToolCall] = []
        patience = Patience(self._options.first_word_s, self._options.next_word_s)
        async with completing(self._service, body, patience) as deltas:
            async for delta in deltas:
                match delta:
                    case str():
                        said.append(delta)
                        await reply.say(delta)
                    case Usage():
                        reply.spent(delta)
                    case ToolCall():
                        calls.append(delta)
        return "".join(said), calls

    def _body(self, shown: list[dict[str, Any]], *, tools: bool) -> dict[str, Any]:
        options = self._options
        body: dict[str, Any] = {"model": options.model, "messages": shown, "stream": True}
        body["stream_options"] = {"include_usage": True}
        if options.models:
            body["models"] = list(options.models)
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens is not None:
            body["max_tokens"] = options.max_tokens
        if self._tools:
            body["tools"] = self._tools.schemas()
            if not tools:
                # The last round has to end in words.
                body["tool_choice"] = "none"
        if options.provider:
            body["provider"] = options.provider
        return body
