"""The history of the conversation: what the user said and what was heard of the replies, for handlers.

Decides nothing about turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from voiceloop.turns.turn import Turn
from voiceloop.types import Message, by_turn


class History:
    """The last `longest` turns: each is what the user said and what was heard of the reply, if anything. Older ones are
    forgotten first."""

    def __init__(self, longest: int, earlier: Iterable[Message] = ()) -> None:
        self._turns: deque[list[Message]] = deque(by_turn(earlier), maxlen=longest)

    def messages(self) -> tuple[Message, ...]:
        """All messages, oldest first."""
        return tuple(message for turn in self._turns for message in turn)

    def record(self, turn: Turn) -> None:
        """Add what the user said in `turn` and what was heard of its reply; nothing if its text is unknown."""
        if turn.transcript is None:
            return
        said = [Message("user", turn.transcript.text)]
        if text := turn.heard().text:
            said.append(Message("assistant", text))
        self._turns.append(said)
