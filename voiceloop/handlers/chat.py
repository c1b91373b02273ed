"""Answers with a language model: /chat/completions, streamed. Knows no sound and writes no history."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from voiceloop.handlers.completing import completing
from voiceloop.handlers.completion import ToolCall
from voiceloop.handlers.completion_handler import CompletionHandler, CompletionOptions
from voiceloop.handlers.prompt import messages
from voiceloop.handlers.tools import Toolbox, requested
from voiceloop.net.service import Service
from voiceloop.plugins import Reply, Services
from voiceloop.types import Transcript, Usage


class ChatOptions(CompletionOptions):
    """Options of `[handler] use = "chat"`."""

    model: str
    """The model that answers; `voiceloop models --chat` lists them."""
    models: tuple[str, ...] = ()
    """Models to fall back on, in this order, when `model` is down, too busy or refuses (OpenRouter routes to them)."""
    tools: tuple[str, ...] = ()
    """Functions that the model may call, as `module:function`; their type hints and docstrings describe them to it.
    They are called only when it is certain that you have finished speaking."""
    tool_rounds: Annotated[int, Field(ge=1, le=50)] = 5
    """How often, in one turn, the model may call tools and go on with their results."""

    def fallbacks(self) -> tuple[str, ...]:
        return self.models


class ChatHandler(CompletionHandler):
    """The handler that `use = "chat"` names."""

    Options: ClassVar[type[BaseModel]] = ChatOptions
    _options: ChatOptions

    def __init__(self, options: ChatOptions, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        self._tools = Toolbox(options.tools)

    @property
    def description(self) -> str:
        tools = f", {len(self._options.tools)} tools" if self._tools else ""
        return f"chat, {self._options.model}{tools}"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Stream the model's answer into `reply`. Raises `ServiceError`s; what was said before one stays said."""
        options = self._options
        shown = messages(options.system, self.past(reply.history), transcript.text)
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
        async with completing(self._service, body, self.patience) as deltas:
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
        body = self.body(shown)
        if self._options.models:
            body["models"] = list(self._options.models)
        if self._tools:
            body["tools"] = self._tools.schemas()
            if not tools:
                # The last round has to end in words.
                body["tool_choice"] = "none"
        return body
