"""Runs the loopback server as a process, for tests and benchmarks of the whole program."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEY = "test-key"


@dataclass
class Serving:
    """A running server: its address, and the log of its finished requests so far."""

    url: str
    process: subprocess.Popen[str]
    requests: list[dict[str, Any]] = field(default_factory=list)
    _more: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    def posts(self, path: str) -> list[dict[str, Any]]:
        """All finished POSTs to `path` so far."""
        with self._more:
            return [r for r in self.requests if r["method"] == "POST" and r["path"].endswith(path)]

    def wait_for(self, path: str, *, count: int = 1, timeout_s: float = 120.0) -> dict[str, Any]:
        """The `count`-th finished POST to `path`."""
        deadline = time.monotonic() + timeout_s
        with self._more:
            if not self._more.wait_for(lambda: len(self.posts(path)) >= count, deadline - time.monotonic()):
                raise TimeoutError(f"no {count} x POST {path}: {self.requests}")
            return self.posts(path)[count - 1]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.requests.append(json.loads(line))
                self._more.notify_all()


@contextmanager
def serving(*words: str) -> Iterator[Serving]:
    """Run `python -m testbed.server WORDS…` until the block ends."""
    command = [sys.executable, "-m", "testbed.server", "--key", KEY, *words]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server = Serving(json.loads(process.stdout.readline())["url"], process)
    reader = threading.Thread(target=server._read)
    reader.start()
    try:
        yield server
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()
