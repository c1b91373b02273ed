"""What a service says that a request took. Pure; believes only numbers."""

from __future__ import annotations

from typing import Any

from voiceloop.net.values import amount
from voiceloop.types import Usage


def usage(value: Any, generation_id: str | None = None) -> Usage:
    """The usage object of an answer (cost in USD, seconds of audio, tokens): any of it may be missing or odd."""
    given = value if isinstance(value, dict) else {}
    return Usage(
        cost_usd=amount(given.get("cost")),
        audio_s=amount(given.get("seconds")),
        input_tokens=_count(given.get("input_tokens", given.get("prompt_tokens"))),
        output_tokens=_count(given.get("output_tokens", given.get("completion_tokens"))),
        generation_ids=(generation_id,) if generation_id else (),
    )


def cost(usage: Usage | None) -> str:
    """What requests cost, to be added to a line; nothing where no answer and no listing says it."""
    if usage is None:
        return ""
    said = f", {usage.cost_usd:.6f} USD" if usage.cost_usd is not None else ""
    if usage.estimated_usd is None:
        return said
    return f"{said}{' and' if said else ','} about {usage.estimated_usd:.6f} USD by listed prices"


def _count(value: Any) -> int | None:
    number = amount(value)
    return None if number is None else int(number)
