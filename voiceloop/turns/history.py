"""What was said, and what of the replies was heard, as handlers are given it. Decides nothing about turns."""

from __future__ import annotations

from collections import deque

from voiceloop.turns.turn import Turn
from voiceloop.types import Message


class History:
    """`record` adds what became of a turn. At most `longest` messages: the oldest go first."""

    def __init__(self, longest: int) -> None:
        self._messages: deque[Message] = deque(maxlen=longest)

    def messages(self) -> tuple[Message, ...]:
        """All of it, oldest first."""
        return tuple(self._messages)

    def record(self, turn: Turn) -> None:
        """Add what was said in `turn`, unless that is not known, and what of the reply was heard until now."""
        if turn.transcript is None:
            return
        self._messages.append(Message("user", turn.transcript.text))
        if text := turn.heard().text:
            self._messages.append(Message("assistant", text))
