"""The figures of a reply's echo in words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from voiceloop.echo.words import reply_echo

FIELDS = {"turn": 1, "delay_ms": 81.4, "shifts": 1, "heard_db": -36.2, "removed_db": 30.7, "other_share": 0.018}


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
