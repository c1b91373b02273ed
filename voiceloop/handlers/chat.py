"""`chat`: answers with a language model over streamed /chat/completions. Handles no sound and writes no history."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, Field

from voiceloop.config.address import host_of
from voiceloop.config.table import Conflict, FreeTable
from voiceloop.errors import BadRequest, ContextTooLong
from voiceloop.handlers.completing import completing
from voiceloop.handlers.completion import Calls
from voiceloop.handlers.completion_handler import CompletionHandler, CompletionOptions
from voiceloop.handlers.loading import Loader, open_loader
from voiceloop.handlers.openrouter_options import Effort, Plugin, Reasoning, ServerTool, plugins, server_tools
from voiceloop.handlers.prompt import messages
from voiceloop.handlers.tools import Toolbox, requested
from voiceloop.handlers.user_output import own_output
from voiceloop.net.parameters import Asked
from voiceloop.net.service import Service
from voiceloop.plugins import Reply, Services
from voiceloop.types import Message, Transcript, Usage

_ABOUT_EFFORT = re.compile(r"reasoning|think|effort", re.IGNORECASE)
"""How servers refuse `reasoning_effort`: "invalid reasoning value: 'none'", "does not support thinking"."""

_REASONING = ("reasoning", "reasoning_effort")
"""The names of what a model that reasons takes, in listings and in requests."""
_REASONING_FIELDS = frozenset(_REASONING)

_FIELDS = frozenset({"role", "content", "tool_calls", "tool_call_id"})
"""The fields of messages that every server takes."""


class ChatOptions(CompletionOptions):
    """Options of `[handler] use = "chat"`."""

    model: str
    """The model that answers. `voiceloop models --chat` lists the choices."""
    models: tuple[str, ...] = ()
    """Fallback models, tried in this order when `model` is down, too busy or refuses. OpenRouter does the routing."""
    reasoning_effort: Effort | None = None
    """How much the model thinks before it answers; `none` for not at all. By default the model's own setting. If the
    server refuses this, the question is asked again without it, and so are all that follow."""
    reasoning: Reasoning = Reasoning()
    """The same in OpenRouter's own form: `reasoning = { effort = "none" }`."""
    tools: tuple[str, ...] = ()
    """Functions that the model may call, as `module:function`. The model sees their type hints and docstrings.
    A function is called only once it is certain that you have finished speaking. Several are called side by side, but
    for those with the attribute `parallel = False`."""
    tool_rounds: Annotated[int, Field(ge=1, le=50)] = 5
    """How many times in one turn the model may call tools and continue with their results."""

    tool_timeout_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """How long a tool may take; then the model goes on without its result."""
    server_tools: dict[ServerTool, FreeTable] = Field(default_factory=dict)
    """Tools that OpenRouter runs, with their settings: `{ web_search = { max_results = 3 }, datetime = { timezone =
    "Europe/Paris" } }`; also `web_fetch`. A search takes seconds, and costs extra."""
    plugins: dict[Plugin, FreeTable] = Field(default_factory=dict)
    """OpenRouter's plugins, with their settings: `{ "context-compression" = {} }`."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from super().conflicts()
        if self.reasoning_effort is not None and self.reasoning != Reasoning():
            yield Conflict(("reasoning_effort", "reasoning"), "is said by reasoning, too", "Remove one of the two.")
        if self.base_url is not None and not host_of(self.base_url).endswith("openrouter.ai"):
            for name in ("server_tools", "plugins"):
                if getattr(self, name):
                    what = "is for OpenRouter, and base_url names another server"
                    yield Conflict((name, "base_url"), what, "Remove one; a gateway like it is openrouter.base_url.")

    def asked(self) -> Iterable[Asked]:
        yield from super().asked()
        if self.reasoning_effort is not None:
            yield Asked("reasoning_effort", _REASONING, self.reasoning_effort)
        if self.reasoning.effort is not None:
            yield Asked("reasoning.effort", _REASONING, self.reasoning.effort)
        if self.reasoning.max_tokens is not None:
            yield Asked("reasoning.max_tokens", _REASONING)
        for name in ("tools", "server_tools"):
            if getattr(self, name):
                yield Asked(name, ("tools",))

    def fallbacks(self) -> tuple[str, ...]:
        return self.models


class ChatHandler(CompletionHandler):
    """The handler for `use = "chat"`."""

    Options: ClassVar[type[BaseModel]] = ChatOptions
    _options: ChatOptions

    def __init__(self, options: ChatOptions, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        self._tools = Toolbox(options.tools, services.publish, limit_s=options.tool_timeout_s)
        self._reasoning = _reasoning(options)
        """The fields about reasoning: none also once the server has refused them."""
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
                with own_output() if options.tools else nullcontext():
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
        asked = _Asked(self.past(reply.history), transcript.text)
        said = False
        for number in range(self._options.tool_rounds + 1):
            answer = await self._round(asked, reply, tools=number < self._options.tool_rounds)
            text = "".join(answer.texts)
            said = said or bool(text.strip())
            if answer.calls is None:
                break
            if text.strip():
                await reply.say("\n\n")  # what was said before the call sounds at once
            # A tool may have effects that can't be undone: wait until the turn is certain.
            await reply.committed()
            calls = answer.calls
            results = await self._tools.answer(calls.calls)
            asked.rounds += [requested(text, calls.calls, calls.fields), *results]
        if not said:
            raise self.nothing_said()

    async def _round(self, asked: _Asked, reply: Reply, *, tools: bool) -> _Answer:
        """Make one request; once more if the server refuses something in it that can be left out."""
        answer, body, limit = _Answer(), self._body(asked, tools=tools), self._most_tokens
        try:
            await self._ask(body, reply, answer)
        except BadRequest as error:
            if answer.texts or not self._mended(error, asked, body):
                raise
            try:
                await self._ask(self._body(asked, tools=tools), reply, answer)
            except ContextTooLong:
                self._most_tokens = limit  # the past was not the reason
                raise
        return answer

    def _mended(self, error: BadRequest, asked: _Asked, body: dict[str, Any]) -> bool:
        """Leave out what the server has refused. Returns whether there was such a thing in `body`."""
        if isinstance(error, ContextTooLong):
            had, asked.past = asked.past, self.forget(asked.past) if asked.past else []
            return bool(had)
        if asked.without_refused(error.what):
            return True
        if not _REASONING_FIELDS & body.keys() or not _ABOUT_EFFORT.search(error.what):
            return False
        self._without_reasoning()
        return True

    def _without_reasoning(self) -> None:
        for name, value in self._reasoning.items():
            shown = value if isinstance(value, str) else ", ".join(map(str, value.values()))
            what = f"handler.{name}: the server doesn't take '{shown}', so it is left out"
            self._services.publish("notice", text=f"{what}. The model may think before it answers.")
        self._reasoning = {}

    async def _ask(self, body: dict[str, Any], reply: Reply, answer: _Answer) -> None:
        """Make one request; `answer` takes what came."""
        async with completing(self._service, body, self.patience, self._habits) as deltas:
            async for delta in deltas:
                match delta:
                    case str():
                        answer.texts.append(delta)
                        await reply.say(delta)
                    case Usage():
                        reply.spent(delta)
                    case Calls():
                        answer.calls = delta

    def _body(self, asked: _Asked, *, tools: bool) -> dict[str, Any]:
        options = self._options
        body = self.body([*messages(options.system, asked.past, asked.text), *asked.rounds])
        if options.models:
            body["models"] = list(options.models)
        body |= self._reasoning
        if options.plugins:
            body["plugins"] = plugins(options.plugins)
        if self._tools or options.server_tools:
            body["tools"] = [*(self._tools.schemas() if self._tools else ()), *server_tools(options.server_tools)]
            if not tools:
                # The last round must end in text, not in another tool call.
                body["tool_choice"] = "none"
        return body


def _reasoning(options: ChatOptions) -> dict[str, Any]:
    if options.reasoning_effort is not None:
        return {"reasoning_effort": options.reasoning_effort}
    given = options.reasoning.model_dump(exclude_none=True)
    return {"reasoning": given} if given else {}


@dataclass(slots=True)
class _Asked:
    """What a turn sends: the past, the question, and the rounds of tools since, as messages."""

    past: list[Message]
    text: str
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def without_refused(self, what: str) -> bool:
        """Leave out the fields that came with tool calls, if the server has refused one. Returns whether it did."""
        refused = {name for message in self.rounds for name in message.keys() - _FIELDS if name in what}
        self.rounds = [{name: message[name] for name in message if name not in refused} for message in self.rounds]
        return bool(refused)


@dataclass(slots=True)
class _Answer:
    """What came back in one round."""

    texts: list[str] = field(default_factory=list)
    """What was said."""
    calls: Calls | None = None
