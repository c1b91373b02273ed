"""What is said when systemd doesn't answer: the cause, and what to do about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voiceloop.service import systemd
from voiceloop.service.systemd import State, failure

NO_BUS = "Failed to connect to bus: No medium found"
NO_SCOPE_BUS = (  # systemd 256
    "Failed to connect to user scope bus via local transport: $DBUS_SESSION_BUS_ADDRESS and …"
)
NOT_BOOTED = "System has not been booted with systemd as init system (PID 1). Can't operate."


@pytest.mark.parametrize(
    ("said", "booted", "runtime", "told"),
    [
        (NO_BUS, True, None, "export XDG_RUNTIME_DIR=/run/user/"),
        (NO_SCOPE_BUS, True, "", "without su or sudo"),
        (NO_BUS, True, "/run/user/1000", "sudo systemctl restart user@"),
        (NO_BUS, False, "/run/user/1000", "autostart"),
        (NOT_BOOTED, False, None, "service install --print"),
    ],
)
def test_each_cause_has_its_remedy(said: str, booted: bool, runtime: str | None, told: str) -> None:
    text = str(failure(("show-environment",), said, booted=booted, runtime=runtime))
    assert said in text
    assert told in text


def test_what_systemd_refuses_is_no_missing_bus() -> None:
    text = str(failure(("enable", "x"), "Unit x is masked.", booted=False, runtime=None))
    assert text == "systemd: systemctl --user enable x: Unit x is masked."


@pytest.mark.parametrize(
    ("active", "sub", "failed"),
    [
        ("active", "running", False),
        ("failed", "failed", True),
        ("activating", "auto-restart", True),
        ("activating", "start", False),
        ("inactive", "dead", False),
    ],
)
def test_waiting_to_be_started_again_is_a_failure(active: str, sub: str, failed: bool) -> None:
    state = State(True, active, sub, True, 1, 0, 0, "")
    assert state.failed is failed
    assert state.runs is (active == "active")


def test_messages_that_reach_the_journal_late_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers like a journal that has nothing at first, then one line of two, then both."""
    journal = tmp_path / "journalctl"
    journal.write_text(
        f'#!/bin/sh\necho >>"{tmp_path}/asked"\n'
        f'case $(wc -l <"{tmp_path}/asked") in 1) ;; 2) echo first ;; *) echo first; echo second ;; esac\n'
    )
    journal.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "JOURNAL_S", 60.0)
    assert systemd.last_lines("a.service", 4711, 5) == ["first", "second"]


def test_a_unit_that_was_never_started_has_no_messages_and_none_are_waited_for() -> None:
    assert systemd.last_lines("a.service", 0, 5) == []
