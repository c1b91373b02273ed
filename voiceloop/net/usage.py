"""The usage that a service reports for a request (cost, audio, tokens). Pure; ignores fields that are not numbers."""

from __future__ import annotations

from typing import Any

from voiceloop.net.values import amount
from voiceloop.types import Usage


def usage(value: Any, generation_id: str | None = None) -> Usage:
    """Parse the usage of an answer (cost in USD, seconds of audio, tokens). Fields may be missing or malformed."""
    fields = value if isinstance(value, dict) else {}
    return Usage(
        cost_usd=amount(fields.get("cost")),
        audio_s=amount(fields.get("seconds")),
        input_tokens=_count(fields.get("input_tokens", fields.get("prompt_tokens"))),
        output_tokens=_count(fields.get("output_tokens", fields.get("completion_tokens"))),
        generation_ids=(generation_id,) if generation_id else (),
    )


def cost(usage: Usage | None) -> str:
    """The cost of requests as text to append to a line; empty when neither an answer nor a listing states it."""
    if usage is None:
        return ""
    reported = f", {usage.cost_usd:.6f} USD" if usage.cost_usd is not None else ""
    if usage.estimated_usd is None:
        return reported
    return f"{reported}{' and' if reported else ','} about {usage.estimated_usd:.6f} USD by listed prices"


def _count(value: Any) -> int | None:
    number = amount(value)
    return None if number is None else int(number)
