"""The user's systemd, asked through `systemctl --user`. Failures are `ServiceManagerError`s with what to do then."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from voiceloop.errors import ServiceManagerError

PATIENCE_S = 30.0
"""How long a call may take: a service may need 5 s to stop."""
JOURNAL_S = 2.0
"""How long the journal may take to have the messages of a program that has just ended."""
PLACE = "systemd"
_AGAIN_S = 0.1
_BOOTED = Path("/run/systemd/system")
"""Exists if this machine was started by systemd (sd_booted(3))."""
_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "UnitFileState", "StateChangeTimestamp"),
    *("ExecMainPID", "ExecMainStatus", "NRestarts"),
)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a unit."""

    loaded: bool
    """Whether systemd knows the unit."""
    active: str
    """`active`, `activating`, `inactive`, `failed`, …"""
    sub: str
    """More exactly: `running`, `auto-restart`, …"""
    enabled: bool
    process: int
    """Its process, or the last one; 0 if there was none."""
    exit_code: int
    """Of the last process, if it has ended."""
    restarts: int
    since: str
    """When the state began, in the user's time zone; empty if systemd has not started it."""

    @property
    def runs(self) -> bool:
        return self.active == "active"

    @property
    def failed(self) -> bool:
        """Whether it ended with an error, also if it is about to be started again."""
        return self.active == "failed" or self.sub == "auto-restart"


def environment() -> frozenset[str]:
    """The names of the environment variables that services are started with.

    Raises ServiceManagerError if there is no systemd, or it doesn't answer.
    """
    lines = systemctl("show-environment").splitlines()
    return frozenset(line.partition("=")[0] for line in lines)


def state_of(unit: str) -> State:
    """The state of a unit; one that systemd doesn't know is inactive. Raises ServiceManagerError."""
    shown = systemctl("show", "--property", ",".join(_PROPERTIES), "--", unit)
    values = dict(line.partition("=")[::2] for line in shown.splitlines())
    return State(
        loaded=values.get("LoadState") == "loaded",
        active=values.get("ActiveState", ""),
        sub=values.get("SubState", ""),
        enabled=values.get("UnitFileState") == "enabled",
        process=int(values.get("ExecMainPID") or 0),
        exit_code=int(values.get("ExecMainStatus") or 0),
        restarts=int(values.get("NRestarts") or 0),
        since=values.get("StateChangeTimestamp", ""),
    )


def last_lines(unit: str, process: int, count: int) -> list[str]:
    """The last lines that a process of a unit wrote to the journal, without times; empty if it can't be read.

    The journal has a message some time after the program wrote it: it is read until it has some and no more come.
    """
    deadline = time.monotonic() + JOURNAL_S
    lines: list[str] = []
    while process and time.monotonic() < deadline:
        before, lines = lines, _journal(unit, process, count)
        if lines and lines == before:
            break
        time.sleep(_AGAIN_S)
    return lines


def _journal(unit: str, process: int, count: int) -> list[str]:
    words = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={count}", f"--user-unit={unit}"]
    try:
        done = subprocess.run(
            [*words, f"_PID={process}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode(errors="replace").splitlines()


def systemctl(*words: str) -> str:
    """What `systemctl --user WORDS…` prints. Raises ServiceManagerError if it fails."""
    if which("systemctl") is None:
        what = "there is no systemctl on this machine: services need systemd"
        raise ServiceManagerError(what, place=PLACE, remedy=_WITHOUT)
    try:
        done = subprocess.run(
            ["systemctl", "--user", "--no-pager", *words],
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # its messages are translated elsewhere
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        what = f"systemctl --user {words[0]} doesn't answer for {PATIENCE_S:.0f} s"
        raise ServiceManagerError(what, place=PLACE, remedy="Log out and in again.") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise failure(words, said, booted=_BOOTED.is_dir(), runtime=os.environ.get("XDG_RUNTIME_DIR"))
    return done.stdout


def failure(words: Sequence[str], said: str, *, booted: bool, runtime: str | None) -> ServiceManagerError:
    """The error for what `systemctl --user WORDS…` said. Pure.

    `booted`: systemd started this machine. `runtime` is XDG_RUNTIME_DIR.
    """
    if "Failed to connect to" not in said and "not been booted with systemd" not in said:
        return ServiceManagerError(f"systemctl --user {' '.join(words)}: {said}", place=PLACE)
    if not booted:
        what, remedy = f"this machine was not started by systemd ({said})", _WITHOUT
    elif not runtime:
        what = f"this is no session of a user: XDG_RUNTIME_DIR is not set ({said})"
        remedy = f"Log in as yourself, without su or sudo; or: export XDG_RUNTIME_DIR=/run/user/{os.getuid()}"
    else:
        what = f"your systemd doesn't answer ({said})"
        remedy = f"Log out and in again, or: sudo systemctl restart user@{os.getuid()}.service"
    return ServiceManagerError(what, place=PLACE, remedy=remedy)


_WITHOUT = (
    "Let the desktop's autostart, or your own service manager, run the command: 'voiceloop service install --print' "
    "shows the command line, behind ExecStart= (on WSL, systemd=true in /etc/wsl.conf turns systemd on)"
)
