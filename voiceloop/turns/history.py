"""The history of the conversation: what the user said and what was heard of the replies, for handlers.

Decides nothing about turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from voiceloop.turns.turn import Turn
from voiceloop.types import Message


class History:
    """The last `longest` messages; older ones are forgotten first."""

    def __init__(self, longest: int, earlier: Iterable[Message] = ()) -> None:
        self._messages: deque[Message] = deque(earlier, maxlen=longest)

    def messages(self) -> tuple[Message, ...]:
        """All messages, oldest first."""
        return tuple(self._messages)

    def record(self, turn: Turn) -> None:
        """Add what the user said in `turn` and what was heard of its reply; nothing if its text is unknown."""
        if turn.transcript is None:
            return
        self._messages.append(Message("user", turn.transcript.text))
        if text := turn.heard().text:
            self._messages.append(Message("assistant", text))
