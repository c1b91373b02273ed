"""The figures of a reply's echo in words, for the status and the trace. Pure, and without NumPy, which takes memory.

The fields of the event `echo.reply` may come from a damaged file: what isn't a reasonable number is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

_LARGEST = 1e6


def reply_echo(fields: Mapping[str, object]) -> str:
    """Such as "81 ms late, -36 dB, 31 dB removed, 2% somebody else, moved 1 x"; empty if nothing is known."""
    delay_ms, heard_db, removed_db, share, shifts = (
        _number(fields.get(name)) for name in ("delay_ms", "heard_db", "removed_db", "other_share", "shifts")
    )
    parts = [
        "" if delay_ms is None else f"{delay_ms:.0f} ms late",
        "digital silence" if heard_db is None else f"{heard_db:.0f} dB",
        "" if removed_db is None else f"{removed_db:.0f} dB removed",
        "" if share is None else f"{share:.0%} somebody else",
        f"moved {shifts:.0f} x" if shifts else "",
    ]
    return ", ".join(part for part in parts if part)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < _LARGEST else None
