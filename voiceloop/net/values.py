"""Checked values from a server's JSON and headers. Pure; nothing that a server sends is trusted."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

RETRY_AFTER_LIMIT_S = 3600.0
"""Upper bound for Retry-After. A server that asks for more is not waited for; malformed headers are bounded too."""


def finite(value: Any) -> float | None:
    """`value` as a finite float; None when it is no number or too large (JSON numbers may have any length)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def amount(value: Any) -> float | None:
    """`value` as a finite float that is not negative (seconds, prices, counts), else None."""
    number = finite(value)
    return number if number is not None and number >= 0 else None


def whole(text: str) -> str:
    """`text` with surrogate pairs joined and lone surrogates replaced.

    JSON can contain lone surrogates (`"\\ud83d"`); no encoding can.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Halves:
    """Joins surrogate pairs that a server split between two pieces of its answer."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """The text of `piece`. A high surrogate at its end is held back until the next piece."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return whole(text[: len(text) - len(self._half)])


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After header asks for, given as a number or a date (RFC 9110, 10.2.3).

    At most `RETRY_AFTER_LIMIT_S`. None when the header is missing or malformed.
    """
    text = (value or "").strip()
    if not text or len(text) > 64:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT_S)
