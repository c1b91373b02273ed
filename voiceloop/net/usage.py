"""What a service says that a request took. Pure; believes only numbers."""

from __future__ import annotations

import math
from typing import Any

from voiceloop.types import Usage


def usage(value: Any, generation_id: str | None = None) -> Usage:
    """The usage object of an answer (cost in USD, seconds of audio, tokens): any of it may be missing or odd."""
    given = value if isinstance(value, dict) else {}
    return Usage(
        cost_usd=_number(given.get("cost")),
        audio_s=_number(given.get("seconds")),
        input_tokens=_count(given.get("input_tokens", given.get("prompt_tokens"))),
        output_tokens=_count(given.get("output_tokens", given.get("completion_tokens"))),
        generation_ids=(generation_id,) if generation_id else (),
    )


def _number(value: Any) -> float | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if ok else None


def _count(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
