"""Writes what happens in a session as JSON lines, beside the loop: nothing that happens ever waits for the disk.

Knows nothing of what the records mean; `taps.py` makes them, `voiceloop/trace/records.py` says what each holds.
"""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from voiceloop.errors import OutputError
from voiceloop.events import Publish, plain
from voiceloop.nursery import private_nursery

Record = dict[str, Any]

WRITE_EVERY_S = 0.2
"""So much at most is missing from the trace of a program that was killed."""
MOST_WAITING = 20_000
"""Records that wait while the disk hangs: minutes of a lively session. Later ones are dropped and counted."""
_LAST_WRITE_S = 0.3
"""How long a disk that hangs may hold up the end of the program."""
_PLACE = "run --trace"


class Recorder:
    """Takes records from anywhere in Trio's thread. Get one from `open_trace`."""

    def __init__(self) -> None:
        self._waiting: list[Record] = []
        self._lost = 0
        self.off = False
        """Writing has failed, and was told: what comes now is discarded."""

    def put(self, kind: str, /, **fields: object) -> None:
        """Add a record; never waits. What `fields` hold must not change afterwards: it is encoded later, in a thread.

        A value with a method `recorded()` gives its fields there.
        """
        if self.off:
            return
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append({"k": kind} | fields)
        else:
            self._lost += 1

    def take(self) -> list[Record]:
        """All that waits, which is handed over."""
        waiting, self._waiting = self._waiting, []
        if self._lost:
            waiting.append({"k": "lost", "records": self._lost})
            self._lost = 0
        return waiting

    def publishing(self, publish: Publish) -> Publish:
        """`publish`, with every event recorded on its way."""

        def told(name: str, /, **fields: object) -> None:
            self.put("event", at=time.monotonic(), name=name, fields=fields)
            publish(name, **fields)

        return told


@asynccontextmanager
async def open_trace(path: Path, header: Mapping[str, object], publish: Publish) -> AsyncIterator[Recorder]:
    """Write a trace to `path` while the body runs; `header` goes into its first line.

    A file that can't be made raises OutputError. One that can't be written any more (a full disk) is told once, as a
    `notice`; the session goes on without. The file is for its owner alone: it holds what was said.
    """
    file = await trio.to_thread.run_sync(_File, path)
    recorder = Recorder()
    recorder.put("trace", **header)
    try:
        async with private_nursery() as nursery:
            nursery.start_soon(_keep_writing, recorder, file, publish)
            yield recorder
    finally:
        # Shielded and short: the end of what happened is worth a moment, but not a hang.
        with trio.move_on_after(_LAST_WRITE_S, shield=True):
            recorder.put("end", at=time.monotonic())
            await _write(recorder, file, publish)
            await trio.to_thread.run_sync(file.close, abandon_on_cancel=True)


async def _keep_writing(recorder: Recorder, file: _File, publish: Publish) -> None:
    while not recorder.off:
        await _write(recorder, file, publish)
        await trio.sleep(WRITE_EVERY_S)


async def _write(recorder: Recorder, file: _File, publish: Publish) -> None:
    file.batches.append(recorder.take())
    try:
        await trio.to_thread.run_sync(file.write_all, abandon_on_cancel=True)
    except OSError as error:
        recorder.off = True
        reason = (error.strerror or str(error)).lower()
        text = f"{_PLACE}: {file.path} can't be written: {reason}. The trace ends here; the loop goes on."
        publish("notice", text=text)


class _File:
    """The file, written by threads. One that the loop no longer waits for still ends the lines that it began."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # One batch, and another where waiting for the first to be written was given up.
        self.batches: deque[list[Record]] = deque()
        self._lock = threading.Lock()
        try:
            # O_NONBLOCK: a named pipe that nobody reads is an error, not a wait.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
            self._file = os.open(path, flags, 0o600)
            os.set_blocking(self._file, True)
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                os.fchmod(self._file, 0o600)  # it may have been there, open to others
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            what = f"{path} can't be written: {reason}"
            raise OutputError(what, place=_PLACE, remedy="Name another file") from error

    def write_all(self) -> None:
        """Encode and write the batches; encoding takes as long as writing."""
        with self._lock:
            while self.batches:
                rest = memoryview("".join(line(record) + "\n" for record in self.batches.popleft()).encode())
                while rest:
                    rest = rest[os.write(self._file, rest) :]

    def close(self) -> None:
        with self._lock:
            os.close(self._file)


def line(record: Record) -> str:
    """One record as JSON, on one line, in ASCII: half characters and line separators are escaped."""
    fields: Record = {}
    for name, value in record.items():
        if recorded := getattr(value, "recorded", None):
            fields |= recorded()
        else:
            fields[name] = value
    return json.dumps(fields, default=plain, separators=(",", ":"))
