"""QR codes in the terminal: black on white whatever its colours, and only where they fit."""

from __future__ import annotations

import sys

import pytest
import segno

from voiceloop.cli.qr_code import drawn
from voiceloop.text import columns

URL = "http://192.168.178.42:8765/AbCdEfGhIjKlMnOpQrStUv/"
DARK = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


def test_the_code_of_an_address_is_drawn_with_its_quiet_zone() -> None:
    rows = [row.removeprefix("\x1b[30;107m").removesuffix("\x1b[0m") for row in drawn(URL, 80).split("\n")]
    modules = [[DARK[block][half] for block in row] for row in rows for half in (0, 1)]
    wanted = [list(row) for row in segno.make(URL, micro=False).matrix_iter(border=4)]
    assert modules[: len(wanted)] == wanted
    assert not any(map(any, modules[len(wanted) :]))


def test_a_code_that_does_not_fit_is_left_out() -> None:
    wide = columns(drawn(URL, 80).split("\n")[0].replace("\x1b[30;107m", "").replace("\x1b[0m", ""))
    assert drawn(URL, wide)
    assert drawn(URL, wide - 1) == ""
    assert drawn(URL, 0) == ""  # no terminal


def test_without_the_extra_there_is_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert drawn(URL, 80) == ""
