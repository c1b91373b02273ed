"""Tests of processes whose pipes a test reads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from testbed import running


def test_a_line_that_never_comes_ends_the_process_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LONGEST_LIFE_S", 0.2)
    silent = "import sys; sys.stdin.read()"
    with running.Mortal[str](
        [sys.executable, "-c", silent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert not process.stdout.readline()
        assert process.wait(60) < 0
