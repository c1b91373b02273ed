"""The home of runs that follow each other, and what an ended run has left behind there.

Each run starts in what the one before it left, so that a lock or socket that hinders the next start is found.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from testbed.dictating import Fetched, environment, words
from testbed.running import COMMAND

_MARK = "VOICELOOP_BENCH_KILLS"
"""An environment variable of every run: child processes have it, too, whoever their parent is now."""
SETTLED_S = 0.5
"""How long processes that a run has started may take to be gone after it."""


@dataclass
class Place:
    """A home folder; `changes` are further variables of its runs."""

    folder: Path
    changes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        own = environment(self.folder)
        self.env = own | dict(self.changes) | {"XDG_RUNTIME_DIR": own["XDG_RUNTIME_DIR"]}

    @property
    def unsent(self) -> Path:
        return self.folder / ".local/state/voiceloop/unsent"

    def sockets(self) -> list[str]:
        """The names of the control sockets and of their locks."""
        folder = self.folder / "run" / "voiceloop"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def marked(self) -> tuple[dict[str, str], str]:
        """The environment of one run, and the mark by which its processes are found."""
        mark = uuid.uuid4().hex
        return self.env | {_MARK: mark}, mark

    def fetch(self, url: str) -> tuple[Fetched, str]:
        """Run `voiceloop transcribe --pending`, as the user does after a crash; gives the texts, and what went wrong
        with the command, if anything did. It also recovers nothing where nothing can be."""
        if not self.unsent.is_dir() or not any(self.unsent.iterdir()):
            return Fetched((), ()), ""
        command = [COMMAND, "transcribe", "--pending", "--json", *words(url)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=240)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        texts = [(line["text"], line["perhaps_delivered"]) for line in lines]
        found = Fetched(tuple(t for t, perhaps in texts if not perhaps), tuple(t for t, perhaps in texts if perhaps))
        kept = sorted(path.name for path in self.unsent.iterdir())
        if done.returncode or kept:
            return found, f"transcribe --pending: {done.returncode}, left {kept}, {done.stderr!r}"
        return found, ""


def left_over(mark: str) -> list[str]:
    """End the processes that a run has left over, and give their command lines."""
    deadline = time.monotonic() + SETTLED_S
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in found:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return list(found.values())


def _marked(mark: str) -> dict[int, str]:
    wanted = f"{_MARK}={mark}".encode()
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (path / "environ").read_bytes():
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal: before it has one, the system ends it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)
