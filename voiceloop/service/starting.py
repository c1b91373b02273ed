"""Waits until a service that was started answers on its control socket, or has ended."""

from __future__ import annotations

import json
import socket
import time
from enum import Enum
from pathlib import Path

from voiceloop.service.systemd import State, state_of

_ASK_S = 0.3


class Outcome(Enum):
    """How a service that was started fares."""

    READY = "it runs"
    LOADING = "it is still starting"
    ENDED = "it ended"
    FAILED = "it failed"


def wait_for(unit: str, control: Path | None, *, within_s: float) -> tuple[Outcome, State]:
    """Wait until the program answers, ends or fails. `control` is its control socket; without one it counts as ready if
    it still runs at the end."""
    deadline = time.monotonic() + within_s
    while True:
        state = state_of(unit)
        if state.failed:
            return Outcome.FAILED, state
        if not state.runs and state.active != "activating":
            return Outcome.ENDED, state
        if control is not None and _answers(control):
            return Outcome.READY, state
        if time.monotonic() > deadline:
            return Outcome.READY if control is None else Outcome.LOADING, state
        time.sleep(_ASK_S)


def _answers(control: Path) -> bool:
    """Whether the program answers: it does so once its engines are loaded and it listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_ASK_S)
        try:
            sock.connect(str(control))
            sock.sendall(json.dumps({"do": "status", "follow": False}).encode() + b"\n")
            return bool(sock.recv(1))
        except OSError:
            return False
