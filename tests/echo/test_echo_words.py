"""The figures of a reply's echo in words, and the event that brings them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from voiceloop.echo.reporting import reporting
from voiceloop.echo.tally import ReplyEcho
from voiceloop.echo.words import reply_echo

FIELDS = {"turn": 1, "delay_ms": 81.4, "shifts": 1, "heard_db": -36.2, "removed_db": 30.7, "other_share": 0.018}


class Canceller:
    """Knows one reply, and is asked for it once."""

    def __init__(self) -> None:
        self.asked = 0

    def end_reply(self) -> ReplyEcho | None:
        self.asked += 1
        return ReplyEcho(81.4, 1, -36.2, 30.7, 0.018) if self.asked == 1 else None


def test_the_figures_are_said_in_one_line() -> None:
    assert reply_echo(FIELDS) == "81 ms late, at -36 dBFS, 31 dB removed, 2% somebody else, moved 1 x"


def test_what_is_unknown_is_left_out() -> None:
    unknown = FIELDS | {"delay_ms": None, "shifts": 0, "removed_db": -0.04}
    assert reply_echo(unknown) == "at -36 dBFS, 0 dB removed, 2% somebody else"
    assert reply_echo(unknown | {"heard_db": None, "removed_db": None}) == "digital silence, 2% somebody else"
    assert reply_echo({}) == ""


@pytest.mark.parametrize("bad", ["\x1b[31m80", math.nan, math.inf, 1e300, True, [1], {}, -(10**400)])
def test_what_is_no_reasonable_number_is_left_out(bad: Any) -> None:
    assert reply_echo(dict.fromkeys(FIELDS, bad)) == ""


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
    assert events[3][1] == FIELDS | {"turn": 2}
