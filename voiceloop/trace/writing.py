"""The writer of trace files: JSON lines, written in a thread, so that the session never waits for the disk.

Knows nothing of what the records mean: `taps.py` makes them, `records.py` describes them.
"""

from __future__ import annotations

import json
import os
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
from voiceloop.system.private_files import open_private

Record = dict[str, Any]

WRITE_EVERY_S = 0.2
"""The most that is missing at the end of the trace if the program is killed."""
MOST_WAITING = 20_000
"""How many records may wait while the disk hangs: minutes of a busy session. Further ones are dropped and counted."""
_LAST_WRITE_S = 0.3
"""How long a disk that hangs may delay the end of the program."""
_PLACE = "run --trace"


class Recorder:
    """Collects records, to be written by a thread. Use it in Trio's thread only. `open_trace` makes one."""

    def __init__(self) -> None:
        self._waiting: list[Record] = []
        self._lost = 0
        self.off = False
        """Whether writing has failed; further records are discarded."""

    def put(self, kind: str, /, **fields: object) -> None:
        """Add a record; never waits. The values in `fields` must not change afterwards: a thread encodes them later.

        A value with a method `recorded()` is replaced by the fields which that returns in the thread.
        """
        if self.off:
            return
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append({"k": kind} | fields)
        else:
            self._lost += 1

    def take(self) -> list[Record]:
        """Remove and return all waiting records."""
        waiting, self._waiting = self._waiting, []
        if self._lost:
            waiting.append({"k": "lost", "records": self._lost})
            self._lost = 0
        return waiting

    def publishing(self, publish: Publish) -> Publish:
        """A function that records each event and passes it on to `publish`."""

        def record_and_publish(name: str, /, **fields: object) -> None:
            self.put("event", at=time.monotonic(), name=name, fields=fields)
            publish(name, **fields)

        return record_and_publish


@asynccontextmanager
async def open_trace(path: Path, header: Mapping[str, object], publish: Publish) -> AsyncIterator[Recorder]:
    """Write a trace to `path` while the body runs. `header` is its first line.

    Raises OutputError if the file can't be created. If writing fails later (a full disk), one `notice` is published
    and the session goes on without a trace. Only the file's owner can read it, because it holds what was said.
    """
    file = await trio.to_thread.run_sync(_File, path)
    recorder = Recorder()
    recorder.put("trace", **header)
    try:
        async with private_nursery() as nursery:
            nursery.start_soon(_keep_writing, recorder, file, publish, name="trace writer")
            yield recorder
    finally:
        # Shielded, so that the last records are written; limited in time, in case the disk hangs.
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
        text = f"{_PLACE}: {file.path} can't be written: {reason}. The trace ends here; the session goes on."
        publish("notice", text=text)


class _File:
    """The file, written by threads. A thread that nobody waits for any more still completes the lines it has begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Bounded: one batch, and a last one if waiting for the first was given up at the end.
        self.batches: deque[list[Record]] = deque()
        self._lock = threading.Lock()
        try:
            # O_NONBLOCK: opening a named pipe that nobody reads fails instead of waiting.
            self._file = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK)
            os.set_blocking(self._file, True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            what = f"{path} can't be written: {reason}"
            raise OutputError(what, place=_PLACE, remedy="Name another file") from error

    def write_all(self) -> None:
        """Encode and write the batches. Encoding is done here because it takes as long as writing."""
        with self._lock:
            while self.batches:
                rest = memoryview("".join(line(record) + "\n" for record in self.batches.popleft()).encode())
                while rest:
                    rest = rest[os.write(self._file, rest) :]

    def close(self) -> None:
        with self._lock:
            os.close(self._file)


def line(record: Record) -> str:
    """One record as one line of ASCII JSON; lone surrogates and line separators are escaped."""
    fields: Record = {}
    for name, value in record.items():
        if recorded := getattr(value, "recorded", None):
            fields |= recorded()
        else:
            fields[name] = value
    return json.dumps(fields, default=plain, separators=(",", ":"))
