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


def _count(value: Any) -> int | None:
    number = amount(value)
    return None if number is None else int(number)
