"""`chat`: answers with a language model over streamed /chat/completions. Handles no sound and writes no history."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from voiceloop.errors import BadRequest
from voiceloop.handlers.completing import completing
from voiceloop.handlers.completion import ToolCall
from voiceloop.handlers.completion_handler import CompletionHandler, CompletionOptions
from voiceloop.handlers.loading import Loader, open_loader
from voiceloop.handlers.prompt import messages
from voiceloop.handlers.tools import Toolbox, requested
from voiceloop.net.service import Service
from voiceloop.plugins import Reply, Services
from voiceloop.types import Transcript, Usage

_ABOUT_EFFORT = re.compile(r"reasoning|think|effort", re.IGNORECASE)
"""How servers refuse `reasoning_effort`: "invalid reasoning value: 'none'", "does not support thinking"."""


class ChatOptions(CompletionOptions):
    """Options of `[handler] use = "chat"`."""

    model: str
    """The model that answers. `voiceloop models --chat` lists the choices."""
    models: tuple[str, ...] = ()
    """Fallback models, tried in this order when `model` is down, too busy or refuses. OpenRouter does the routing."""
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    """How much the model thinks before it answers; `none` for not at all. By default the model's own setting. If the
    server refuses this, the question is asked again without it, and so are all that follow."""
    tools: tuple[str, ...] = ()
    """Functions that the model may call, as `module:function`. The model sees their type hints and docstrings.
    A function is called only once it is certain that you have finished speaking."""
    tool_rounds: Annotated[int, Field(ge=1, le=50)] = 5
    """How many times in one turn the model may call tools and continue with their results."""

    def fallbacks(self) -> tuple[str, ...]:
        return self.models


class ChatHandler(CompletionHandler):
    """The handler for `use = "chat"`."""

    Options: ClassVar[type[BaseModel]] = ChatOptions
    _options: ChatOptions

    def __init__(self, options: ChatOptions, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        self._tools = Toolbox(options.tools)
        self._effort = options.reasoning_effort
        """None also once the server has refused it."""
        self._loader: Loader | None = None

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            assert isinstance(options, ChatOptions)
            wanted = options.wanted(services.config.openrouter)
            async with (
                super(ChatHandler, cls).open(options, services) as handler,
                open_loader(wanted, services) as loader,
            ):
                handler._loader = loader
                loader.soon()
                yield handler

        return opened()

    async def warm(self) -> None:
        """Open connections in advance, and have a local model loaded that may have been unloaded meanwhile."""
        if self._loader is not None:
            self._loader.soon()
        await super().warm()

    @property
    def description(self) -> str:
        tools = f", {len(self._options.tools)} tools" if self._tools else ""
        return f"chat, {self._options.model}{tools}"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's answer into `reply`, calling tools as it asks.

        Raises `ServiceError`s; text passed to `reply` before the error is still spoken.
        """
        options = self._options
        conversation = messages(options.system, self.past(reply.history), transcript.text)
        for number in range(options.tool_rounds + 1):
            text, calls = await self._round(self._body(conversation, tools=number < options.tool_rounds), reply)
            if not calls:
                return
            # A tool may have effects that can't be undone: wait until the turn is certain.
            await reply.committed()
            results = [await self._tools.answer(call) for call in calls]
            conversation = [*conversation, requested(text, calls), *results]

    async def _round(self, body: dict[str, Any], reply: Reply) -> tuple[str, list[ToolCall]]:
        """Make one request; return the text that was spoken and the tool calls."""
        texts: list[str] = []
        try:
            calls = await self._ask(body, reply, texts)
        except BadRequest as error:
            if texts or "reasoning_effort" not in body or not _ABOUT_EFFORT.search(error.what):
                raise
            self._without_effort()
            body = {key: value for key, value in body.items() if key != "reasoning_effort"}
            calls = await self._ask(body, reply, texts)
        return "".join(texts), calls

    def _without_effort(self) -> None:
        if self._effort is not None:
            what = f"handler.reasoning_effort: the server doesn't take '{self._effort}', so it is left out"
            self._services.publish("notice", text=f"{what}. The model may think before it answers.")
        self._effort = None

    async def _ask(self, body: dict[str, Any], reply: Reply, texts: list[str]) -> list[ToolCall]:
        """Make one request; `texts` takes what was spoken."""
        calls: list[ToolCall] = []
        async with completing(self._service, body, self.patience, self._habits) as deltas:
            async for delta in deltas:
                match delta:
                    case str():
                        texts.append(delta)
                        await reply.say(delta)
                    case Usage():
                        reply.spent(delta)
                    case ToolCall():
                        calls.append(delta)
        return calls

    def _body(self, conversation: list[dict[str, Any]], *, tools: bool) -> dict[str, Any]:
        body = self.body(conversation)
        if self._options.models:
            body["models"] = list(self._options.models)
        if self._effort is not None:
            body["reasoning_effort"] = self._effort
        if self._tools:
            body["tools"] = self._tools.schemas()
            if not tools:
                # The last round must end in text, not in another tool call.
                body["tool_choice"] = "none"
        return body
