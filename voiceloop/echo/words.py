"""The figures of a reply's echo in words, for the status and the trace. Pure, and without NumPy, which takes memory.

The fields of the event `echo.reply` may come from a damaged file: what isn't a reasonable number is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

_LARGEST = 1e6


def reply_echo(fields: Mapping[str, object]) -> str:
    """Such as "81 ms late, at -36 dBFS, 31 dB removed, 2% somebody else, moved 1 x"; empty if nothing is known."""
    delay_ms, heard_db, removed_db, share, shifts = (
        _number(fields.get(name)) for name in ("delay_ms", "heard_db", "removed_db", "other_share", "shifts")
    )
    silent = "heard_db" in fields and fields["heard_db"] is None
    parts = [
        "" if delay_ms is None else f"{round(delay_ms)} ms late",
        "digital silence" if silent else "" if heard_db is None else f"at {round(heard_db)} dBFS",
        "" if removed_db is None else f"{round(removed_db)} dB removed",
        "" if share is None else f"{round(100 * share)}% somebody else",
        f"moved {round(shifts)} x" if shifts else "",
    ]
    return ", ".join(part for part in parts if part)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -_LARGEST < value < _LARGEST else None
