"""What of a session lives on when the program starts itself anew: as values for JSON, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from voiceloop.control.attention import Attention
from voiceloop.types import Message


@dataclass(frozen=True, slots=True)
class Kept:
    """The history, whether speech counts, and the path of a shared page. By default nothing was kept."""

    history: tuple[Message, ...] = ()
    attention: Attention | None = None
    share_path: str | None = None

    def values(self) -> dict[str, object]:
        """As values for JSON."""
        flags = self.attention
        return {
            "history": [asdict(message) for message in self.history],
            "attention": {"listening": flags.listening, "asleep": flags.asleep, "muted": flags.muted} if flags else {},
            "share_path": self.share_path,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Kept:
        """Back from these values; nothing of values that are none of these."""
        try:
            history: Sequence[Mapping[str, str]] = (values or {}).get("history", [])
            flags: Mapping[str, bool] = (values or {}).get("attention", {})
            given: object = (values or {}).get("share_path")
            path = given if isinstance(given, str) else None
            attention = Attention(**flags) if flags else None
            return cls(tuple(Message(**message) for message in history), attention, path)
        except (TypeError, AttributeError):
            return cls()


NOTHING = Kept()
