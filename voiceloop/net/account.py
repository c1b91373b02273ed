"""What OpenRouter says of a key (/key) and of its account (/credits). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voiceloop.net.failures import clean
from voiceloop.net.values import amount, finite


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of a key, in USD; None for what isn't said."""

    used: float | None = None
    limit: float | None = None
    rest: float | None = None
    """What is left of the limit."""
    reset: str = ""
    """When the limit begins anew: `monthly`; empty for never."""
    expires: str = ""

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.limit is not None and self.rest is not None and self.rest <= 0


def parse_key(value: Any, hide: Callable[[str], str] = str) -> KeyState:
    """Parse the answer of /key. What is missing or malformed is not known."""
    data = value.get("data") if isinstance(value, dict) else None
    data = data if isinstance(data, dict) else {}
    reset, expires = data.get("limit_reset"), data.get("expires_at")
    return KeyState(
        used=amount(data.get("usage")),
        limit=amount(data.get("limit")),
        rest=finite(data.get("limit_remaining")),
        reset=clean(reset, 20, hide=hide) if isinstance(reset, str) else "",
        expires=clean(expires[:10], 10, hide=hide) if isinstance(expires, str) else "",
    )


def parse_credits(value: Any) -> float | None:
    """What is left of the account's credits in USD, by the answer of /credits; None if it doesn't say."""
    data = value.get("data") if isinstance(value, dict) else None
    data = data if isinstance(data, dict) else {}
    bought, used = amount(data.get("total_credits")), amount(data.get("total_usage"))
    return None if bought is None or used is None else bought - used


def words(key: KeyState, credit: float | None) -> str:
    """The state of a key, and the credit of its account if that is known, as text."""
    parts = []
    if key == KeyState():
        parts.append("the server says nothing of the key")
    elif key.limit is None:
        parts.append("the key has no limit")
    else:
        reset = f" ({key.reset})" if key.reset else ""
        left = f", {max(key.rest, 0.0):.2f} USD left" if key.rest is not None else ""
        parts.append(f"the key's limit is {key.limit:.2f} USD{reset}{left}")
    if key.used is not None:
        parts.append(f"{key.used:.2f} USD used so far")
    if key.expires:
        parts.append(f"it expires on {key.expires}")
    if credit is not None:
        parts.append(f"the account has {credit:.2f} USD left")
    return "; ".join(parts)
