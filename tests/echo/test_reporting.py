"""The event that brings the figures of a reply's echo."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from voiceloop.echo.reporting import reporting
from voiceloop.echo.tally import ReplyEcho

ECHO = ReplyEcho(81.4, 1, -36.2, 30.7, 0.018)


class Canceller:
    """Knows one reply, and is asked for it once."""

    def __init__(self) -> None:
        self.asked = 0

    def end_reply(self) -> ReplyEcho | None:
        self.asked += 1
        return ECHO if self.asked == 1 else None


def test_a_turn_whose_reply_sounded_is_followed_by_its_echo() -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    canceller = Canceller()
    publish = reporting(lambda name, /, **fields: events.append((name, fields)), canceller)
    publish("turn.done", turn=1, marks={"last_voiced": 1.0}, outcome="cancelled")
    publish("reply", turn=2, text="yes", complete=True)
    assert canceller.asked == 0, "a turn without sound does not end the reply of another"
    publish("turn.done", turn=2, marks={"first_played": 2.0}, outcome="done")
    publish("turn.done", turn=3, marks={"first_played": 3.0}, outcome="done")
    assert [name for name, _ in events] == ["turn.done", "reply", "turn.done", "echo.reply", "turn.done"]
    assert events[3][1] == {"turn": 2} | asdict(ECHO)
