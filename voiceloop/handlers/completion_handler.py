"""What the handlers that ask a language model have in common: options, opening, the request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from voiceloop.config.address import ADDRESS, no_address
from voiceloop.config.tables import Conflict, Endpoint, Table
from voiceloop.handlers.completing import Patience
from voiceloop.handlers.prompt import SYSTEM, recent
from voiceloop.net.service_part import ServedPart
from voiceloop.net.wanted import Wanted
from voiceloop.plugins import Turns
from voiceloop.types import Message


class CompletionOptions(Table):
    """Options of every such handler."""

    model: str
    base_url: str | None = None
    """Another server than that in `[openrouter]`; everything else there (time-outs, retries) holds for it too."""
    api_key_env: str | None = None
    """The environment variable that holds the key of `base_url`; without one it gets none."""
    system: str = SYSTEM
    """The system prompt; empty for none."""
    history_turns: Annotated[int, Field(ge=0, le=1_000)] = 20
    """How many past messages (yours and what was heard of the answers, as text) the model is shown."""
    history_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = 4_000
    """About how many tokens of them."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely the model answers."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The longest answer."""
    first_word_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    """How long the model may think before its first word or sound; it is asked again as `openrouter.retry` allows."""
    next_word_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long it may then be silent."""
    provider: dict[str, Any] = Field(default_factory=dict)
    """OpenRouter's provider routing, as in its documentation: `provider = { sort = "latency" }`."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.base_url is not None and (what := no_address(self.base_url)):
            yield Conflict(("base_url",), what, ADDRESS)

    def fallbacks(self) -> tuple[str, ...]:
        """Models to fall back on."""
        return ()

    def wanted(self, openrouter: Endpoint) -> Wanted:
        settings, table = openrouter, "openrouter"
        if self.base_url is not None:
            # Never the key of the one server to the other.
            own = {"base_url": self.base_url, "api_key_env": self.api_key_env or "", "api_key_file": None}
            settings, table = openrouter.model_copy(update=own), "handler"
        return Wanted("handler", "chat", settings, table, (self.model, *self.fallbacks()))


class CompletionHandler(ServedPart):
    """A handler that asks /chat/completions. Those that are named say what, and what to do with the answer."""

    turns: ClassVar[Turns] = "replace"
    preemptive: ClassVar[bool] = True

    @property
    def patience(self) -> Patience:
        return Patience(self._options.first_word_s, self._options.next_word_s)

    def past(self, history: Sequence[Message]) -> list[Message]:
        """As much of the conversation as the model is shown."""
        return recent(history, turns=self._options.history_turns, limit_tokens=self._options.history_tokens)

    def body(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The request: every field that is set, and no other."""
        options = self._options
        body: dict[str, Any] = {"model": options.model, "messages": messages}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens is not None:
            body["max_tokens"] = options.max_tokens
        if options.provider:
            body["provider"] = options.provider
        return body
