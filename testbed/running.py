"""Runs the installed command as a process, and reads its events as they come."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, AnyStr

from testbed.queued import queued_s

COMMAND = str(Path(sys.executable).with_name("voiceloop"))
PATIENCE_S = 120.0
"""How long to wait for what comes at once, unless the machine is busy."""


LONGEST_LIFE_S = 300.0
"""How long a `Mortal` process lives at most."""


class Mortal(subprocess.Popen[AnyStr]):
    """A process that is killed after `LONGEST_LIFE_S`, so that a test that reads its pipes ends, and fails, if a line
    never comes."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._end = threading.Timer(LONGEST_LIFE_S, self.kill)
        self._end.daemon = True
        self._end.start()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._end.cancel()


@dataclass
class Event:
    """An event line and when (`time.monotonic()`) it was read."""

    at: float
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.fields["event"])


@dataclass
class Running:
    """A running `voiceloop` process with `--json`, its events and its standard error so far."""

    process: subprocess.Popen[str]
    started_at: float
    events: list[Event] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    over: bool = False
    """Whether no more events can come: the program has closed its output, and all of it was read."""
    _readers: list[threading.Thread] = field(default_factory=list)
    _more: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, name: str, *, count: int = 1, timeout_s: float = PATIENCE_S, **fields: object) -> Event:
        """The `count`-th event of that name and with those fields, waiting for it."""

        def found() -> list[Event]:
            return [event for event in self.named(name) if fields.items() <= event.fields.items()]

        self.wait_until(lambda: len(found()) >= count, f"{count} x {name} {fields or ''}", timeout_s=timeout_s)
        return found()[count - 1]

    def wait_for_any(self, counts: Mapping[str, int], *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until events of one of these names have come so many times."""
        some = " or ".join(f"{count} x {name}" for name, count in counts.items())
        self.wait_until(
            lambda: any(len(self.named(name)) >= count for name, count in counts.items()), some, timeout_s=timeout_s
        )

    def named(self, name: str) -> list[Event]:
        """All events of that name so far."""
        return [event for event in self.events if event.name == name]

    def end(self, number: signal.Signals = signal.SIGINT, *, timeout_s: float = PATIENCE_S) -> tuple[int, float]:
        """Send a signal and wait for the end; gives the exit code and the seconds that the end took, without those in
        which a busy machine had no processor for the program."""
        began, before_s = time.monotonic(), self._queued_s()
        self.process.send_signal(number)
        while not os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"it has not ended; events {[event.fields for event in self.events]}")
            time.sleep(0.005)
        took_s = time.monotonic() - began - (self._queued_s() - before_s)
        return self.ended(), took_s

    def _queued_s(self) -> float:
        """How long the program, and the test that watches it, have waited for a processor."""
        return queued_s(self.process.pid) + queued_s()

    def ended(self, *, timeout_s: float = PATIENCE_S) -> int:
        """Wait until the program has ended and all that it printed was read; gives its exit code."""
        code = self.process.wait(timeout_s)
        for reader in self._readers:
            reader.join()
        return code

    def wait_until(self, done: Callable[[], bool], what: str, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until something is so after an event has come. Raises TimeoutError, also when no more can come."""
        with self._more:
            if not self._more.wait_for(lambda: done() or self.over, timeout_s) or not done():
                events = [event.fields for event in self.events]
                raise TimeoutError(f"no {what}; code {self.process.poll()}, events {events}, stderr {self.errors}")

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.events.append(Event(time.monotonic(), json.loads(line)))
                self._more.notify_all()
        with self._more:
            self.over = True
            self._more.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)


@contextmanager
def running(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, command: str = "run"
) -> Iterator[Running]:
    """Run `voiceloop COMMAND --json WORDS…`; killed when the block ends, if it still runs."""
    started_at = time.monotonic()
    process = subprocess.Popen(
        [COMMAND, command, "--json", *words],
        env={**(env or os.environ)},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = Running(process, started_at)
    run._readers += [threading.Thread(target=target) for target in (run._read_events, run._read_errors)]
    for reader in run._readers:
        reader.start()
    try:
        yield run
    finally:
        process.kill()
        run.ended()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def voiceloop(*words: str, env: Mapping[str, str] | None = None, timeout_s: float = 240.0) -> tuple[int, str, str]:
    """Run a command to its end; gives its exit code, standard output and standard error."""
    done = subprocess.run(
        [COMMAND, *words],
        env={**(env or os.environ)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr
