"""What of a session lives on when the program starts itself anew: as values for JSON, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voiceloop.control.attention import Attention
from voiceloop.types import Message


@dataclass(frozen=True, slots=True)
class Kept:
    """The history, and whether speech counts. By default nothing was kept."""

    history: tuple[Message, ...] = ()
    attention: Attention | None = None

    def values(self) -> dict[str, object]:
        """As values for JSON."""
        flags = self.attention
        return {
            "history": [asdict(message) for message in self.history],
            "attention": {"listening": flags.listening, "asleep": flags.asleep, "muted": flags.muted} if flags else {},
        }

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Kept:
        """Back from these values; nothing of values that are none of these."""
        try:
            history: Sequence[Mapping[str, str]] = (values or {}).get("history", [])
            flags: Mapping[str, bool] = (values or {}).get("attention", {})
            return cls(tuple(Message(**message) for message in history), Attention(**flags) if flags else None)
        except (TypeError, AttributeError):
            return cls()


NOTHING = Kept()
