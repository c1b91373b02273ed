"""The base of the handlers that ask a language model: their options, opening and request body."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from voiceloop.config.address import ADDRESS, no_address
from voiceloop.config.server_tables import Endpoint
from voiceloop.config.table import Conflict, FreeTable, Table
from voiceloop.errors import ServiceError
from voiceloop.handlers.completing import Patience
from voiceloop.handlers.openrouter_options import Preferences, ServiceTier, asked_by, taken
from voiceloop.handlers.prompt import SYSTEM, length, recent
from voiceloop.handlers.public import Habits
from voiceloop.net.common_fields import common_fields
from voiceloop.net.failures import bad_answer
from voiceloop.net.parameters import Asked
from voiceloop.net.service import Request, Service
from voiceloop.net.service_part import ServicePart
from voiceloop.net.wanted import Wanted
from voiceloop.plugins import Services, Turns
from voiceloop.types import Message

_TOKENS = ("max_tokens", "max_completion_tokens")
_ASKED = {"temperature": ("temperature",), "max_tokens": _TOKENS, "max_completion_tokens": _TOKENS}
"""The keys that not every model takes, and their names in listings."""


class CompletionOptions(Table):
    """Options that all handlers with a language model share."""

    model: str
    base_url: str | None = None
    """A server other than the one in `[openrouter]`, whose other settings (time-outs, retries) apply to it too."""
    api_key_env: str | None = None
    """The environment variable with the API key for `base_url`. Without it, no key is sent."""
    system: str = SYSTEM
    """The system prompt. Empty: none is sent."""
    history_tokens: Annotated[int, Field(ge=0, le=10_000_000)] = 4_000
    """The approximate limit on the past turns that the model is shown, in tokens. `conversation.history_turns` limits
    their number. If the server says that it is too much, the oldest are left out and the question is asked again."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How random the model's answers are: 0 is the least. By default the model's own setting."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The longest answer, in tokens. By default the model's own limit."""
    max_completion_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The same by its newer name, which OpenAI and OpenRouter want for newer models. Many servers know only the
    older."""
    first_word_s: Annotated[float, Field(gt=0, le=600)] = 15.0
    """How long to wait for the model's first word or sound; then it is asked again as `openrouter.retry` allows."""
    next_word_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """How long the model may then be silent between two words or sounds."""
    service_tier: ServiceTier | None = None
    """What the request may cost and how soon it is answered, where a provider sells that: `priority`, `flex`."""
    provider: Preferences = Preferences()
    """Which of OpenRouter's providers may answer. For example: `provider = { sort = "latency" }`."""
    extra: FreeTable = Field(default_factory=dict)
    """Further fields of the request, for any server: `extra = { top_p = 0.9, seed = 7 }`. Not those that the program
    sets itself."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.base_url is not None and (what := no_address(self.base_url)):
            yield Conflict(("base_url",), what, ADDRESS)
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            yield Conflict(("max_tokens", "max_completion_tokens"), "is the older name of the same", "Remove it.")
        yield from taken(self.extra, type(self).model_fields, elsewhere=self.base_url is not None)

    def fallbacks(self) -> tuple[str, ...]:
        """Fallback models, in order."""
        return ()

    def wanted(self, openrouter: Endpoint) -> Wanted:
        settings, table = openrouter, "openrouter"
        if self.base_url is not None:
            settings, table = openrouter.at(self.base_url, self.api_key_env), "handler"
        return Wanted("handler", "chat", settings, table, (self.model, *self.fallbacks()), asked=tuple(self.asked()))

    def asked(self) -> Iterable[Asked]:
        """The keys that not every model takes."""
        for name, fields in _ASKED.items():
            if getattr(self, name) is not None:
                yield Asked(name, fields)
        yield from asked_by(self.extra)


class CompletionHandler(ServicePart):
    """The base class of handlers that ask /chat/completions. Subclasses build the request and use the answer."""

    turns: ClassVar[Turns] = "replace"
    preemptive: ClassVar[bool] = True
    _most_tokens: float = math.inf
    """The limit on the past, in tokens, that a server's refusals have shown."""

    def __init__(self, options: Any, service: Service, services: Services) -> None:
        super().__init__(options, service, services)
        self._habits = Habits()

    @property
    def patience(self) -> Patience:
        return Patience(self._options.first_word_s, self._options.next_word_s)

    def past(self, history: Sequence[Message]) -> list[Message]:
        """The most recent part of the conversation, as much as the model is shown."""
        return recent(history, limit_tokens=min(self._options.history_tokens, self._most_tokens))

    def forget(self, past: Sequence[Message]) -> list[Message]:
        """The newer half of `past`, which was too long for the model, for this request and as a limit for later ones.
        Says so once."""
        if self._most_tokens == math.inf:
            what = (
                "handler.history_tokens: the conversation is too long for the model, so the oldest turns are left out"
            )
            self._services.publish("notice", text=f"{what}. Lower it, or give the model a larger context.")
        self._most_tokens = length(past) // 2
        return self.past(past)

    def nothing_said(self, reason: str = "it holds nothing that can be said") -> ServiceError:
        """The error for an answer without words."""
        request = Request("/chat/completions", model=self._options.model)
        remedy = "Ask again, or choose another model"
        return bad_answer(f"the model's answer is empty: {reason}", self._service.where(request), remedy=remedy)

    def body(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The request body: only the fields that are set."""
        options = self._options
        body: dict[str, Any] = {"model": options.model, "messages": messages}
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        for name in ("max_tokens", "max_completion_tokens", "service_tier"):
            if (value := getattr(options, name)) is not None:
                body[name] = value
        body |= options.extra
        return body | common_fields(self._service.settings, options.provider.body())
