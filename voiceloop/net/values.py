"""Values out of a server's JSON and headers. Pure; believes none of them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

RETRY_AFTER_LIMIT_S = 3600.0
"""A server that asks for more than this is not waited for; the number also bounds what a bad header can do."""


def finite(value: Any) -> float | None:
    """`value` as a float, where it is a number that a float can be: JSON's may be of any length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def amount(value: Any) -> float | None:
    """`value`, where it is a number that is not negative: seconds, prices, counts."""
    number = finite(value)
    return number if number is not None and number >= 0 else None


def whole(text: str) -> str:
    """`text` without halves of characters, which JSON can hold (`"\\ud83d"`) and nothing else can."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Halves:
    """Puts characters together that a server parted between two pieces of its answer."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """All of what came so far that is whole; a first half at the end waits for the second."""
        text = self._half + piece
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return whole(text[: len(text) - len(self._half)])


def retry_after_s(value: str | None, *, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3). None when it says nothing
    that can be understood."""
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
