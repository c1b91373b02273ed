"""The fields of /chat/completions that OpenRouter has beside OpenAI's, as tables of the config, and the check of fields
of the user's own. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from voiceloop.config.table import Conflict, FreeTable, Table
from voiceloop.net.parameters import Asked

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ServiceTier = Literal["auto", "default", "flex", "priority", "fast", "ultrafast", "scale"]
ServerTool = Literal["web_search", "web_fetch", "datetime"]
Plugin = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
_Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Percentiles = dict[Literal["p50", "p75", "p90", "p99"], _Positive]

_SET_HERE = frozenset({"messages", "model", "stream", "stream_options", "modalities", "audio", "tools", "tool_choice"})
"""The fields that the program sets by itself."""
_EVERYWHERE = ("session_id", "user", "trace")
"""The fields that `[openrouter]` sets."""
_LISTED = frozenset({
    "temperature", "top_p", "top_k", "min_p", "top_a", "frequency_penalty", "presence_penalty", "repetition_penalty",
    "logit_bias", "logprobs", "top_logprobs", "prediction", "seed", "response_format", "stop", "parallel_tool_calls",
    "include_reasoning", "web_search_options", "verbosity",
})  # fmt: skip
"""The fields that listings of models name."""


class Reasoning(Table):
    """How a model thinks before it answers, on OpenRouter."""

    effort: Effort | None = None
    """How much: `none` for not at all, which is the shortest time to the first word."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """The most tokens that it may think, for models that count them."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.effort is not None and self.max_tokens is not None:
            yield Conflict(("effort", "max_tokens"), "and max_tokens exclude each other", "Remove one of the two.")


class Preferences(Table):
    """Which providers may answer, and which first. What is left out is OpenRouter's own choice."""

    order: tuple[str, ...] = ()
    """The providers to try, in this order: `["groq", "cerebras"]`. `voiceloop check --online` says who is fast now."""
    only: tuple[str, ...] = ()
    """No other providers than these."""
    ignore: tuple[str, ...] = ()
    """Not these."""
    allow_fallbacks: bool | None = None
    """Whether others than those in `order` may answer when these can't."""
    require_parameters: bool | None = None
    """Whether only providers may answer that take every field of the request; others ignore those they don't know."""
    sort: Literal["price", "throughput", "latency", "exacto"] | FreeTable | None = None
    """What the providers are sorted by: `latency` for the first word, `throughput`, or `price`."""
    max_price: dict[Literal["prompt", "completion", "request", "image", "audio"], _Price] = Field(default_factory=dict)
    """The highest price in USD for a million tokens: `{ prompt = 1, completion = 2 }`."""
    preferred_max_latency: _Positive | Percentiles | None = None
    """Providers that are slower than so many seconds come last."""
    preferred_min_throughput: _Positive | Percentiles | None = None
    """Providers with fewer tokens a second come last."""
    quantizations: tuple[str, ...] = ()
    """Only models in these precisions: `["fp8", "bf16"]`."""
    zdr: bool | None = None
    """As `openrouter.zdr`, for this handler."""
    data_collection: Literal["allow", "deny"] | None = None
    """As `openrouter.data_collection`, for this handler."""
    enforce_distillable_text: bool | None = None
    """Only models whose authors allow that others are trained on their text."""
    options: dict[str, FreeTable] = Field(default_factory=dict)
    """Options that are passed on to a provider, by its name."""

    def conflicts(self) -> Iterable[Conflict]:
        if both := set(self.ignore) & {*self.only, *self.order}:
            yield Conflict(
                ("ignore",), f"has {sorted(both)[0]}, which only or order has, too", "Remove one of the two."
            )

    def body(self) -> dict[str, Any]:
        """The field `provider`: what is set."""
        values = self.model_dump(mode="json", exclude_unset=True)
        if prices := values.get("max_price"):
            values["max_price"] = {unit: f"{Decimal(str(price)).normalize():f}" for unit, price in prices.items()}
        return {key: value for key, value in values.items() if value not in (None, [], {})}


def server_tools(tools: Mapping[ServerTool, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tools that OpenRouter itself runs, as entries of `tools`."""
    return [
        {"type": f"openrouter:{name}", **({"parameters": dict(given)} if given else {})}
        for name, given in tools.items()
    ]


def plugins(given: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The field `plugins`."""
    return [{"id": name, **settings} for name, settings in given.items()]


def taken(extra: Mapping[str, Any], keys: Collection[str], *, elsewhere: bool) -> Iterable[Conflict]:
    """A conflict for each field in `extra` that the program sets itself. `keys` are the config's own; `elsewhere`: it
    goes to another server than that of `[openrouter]`."""
    for name in extra:
        if name in _SET_HERE:
            yield Conflict(("extra",), f"{name} is set by the program", "Remove it.")
        elif name in keys:
            yield Conflict(("extra",), f"{name} has a key of its own", f"Set handler.{name} in its place.")
        elif name in _EVERYWHERE and not elsewhere:
            yield Conflict(("extra",), f"{name} has a key of its own", f"Set openrouter.{name} in its place.")


def asked_by(extra: Mapping[str, Any]) -> Iterable[Asked]:
    """The fields in `extra` that listings of models name."""
    return (Asked(f"extra.{name}", (name,)) for name in extra if name in _LISTED)
