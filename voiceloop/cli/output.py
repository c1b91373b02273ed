"""Standard output and standard error of a command that listens: threads write them, so that a reader who stands still
stops nothing else.

    print_line -> queue (`BOUND` bytes) -> thread -> file descriptor

A terminal may be stopped (Ctrl-S), and a pager reads only what it shows. Meanwhile lines wait in the queue; when it is
full, further ones are dropped, and a line says how many. Two streams on one terminal share a queue, so that their order
stays.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from voiceloop.errors import OutputError

if TYPE_CHECKING:
    import trio

BOUND = 1_000_000
"""How many bytes may wait for each reader: hours of talk. What comes then is dropped."""
GONE = frozenset({errno.EPIPE, errno.EIO})
"""The errors of a pipe whose reader has ended, and of a terminal that was closed."""


class Lane:
    """The bounded queue of one file descriptor, and the thread that writes it.

    `told` makes what is written in place of dropped lines from their number. `failed` is called in the thread when the
    descriptor can't be written; nothing is written after that.
    """

    def __init__(self, descriptor: int, told: Callable[[int], bytes], failed: Callable[[OSError], None]) -> None:
        self._descriptor, self._told, self._failed = descriptor, told, failed
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        """The bytes that wait, those that are being written included."""
        self._dropped = 0
        self._over = False
        threading.Thread(target=self._work, name="write output", daemon=True).start()

    def put(self, data: bytes) -> bool:
        """Add data to what waits. Returns False if it was dropped: too much waits, or nothing can be written."""
        with self._changed:
            if self._over:
                return False
            if self._size and self._size + len(data) > BOUND:
                self._dropped += 1
                return False
            self._add(self._gap() + data)
        return True

    def wait_until_empty(self) -> None:
        """Return when nothing waits any more: all is written, or nothing can be."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or not (self._size or self._dropped))

    def end(self) -> None:
        """Take nothing more. What waits is still written, if the process lives on."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _add(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        self._changed.notify_all()

    def _gap(self) -> bytes:
        dropped, self._dropped = self._dropped, 0
        return self._told(dropped) if dropped else b""

    def _work(self) -> None:
        while (data := self._next()) is not None:
            try:
                _write(self._descriptor, data)
            except OSError as error:
                with self._changed:
                    self._over, self._size = True, 0
                    self._waiting.clear()
                    self._changed.notify_all()
                self._failed(error)
                return
            with self._changed:
                self._size -= len(data)
                if not self._size and (gap := self._gap()):
                    self._add(gap)
                self._changed.notify_all()

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                return None
            data = b"".join(self._waiting)
            self._waiting.clear()
            return data


class Output:
    """The lanes of standard output and standard error, and what becomes of their failures."""

    def __init__(self, out: TextIO, err: TextIO, *, json: bool) -> None:
        self._json = json
        self._failure: OSError | None = None
        self._wake: Callable[[], None] = lambda: None
        shared = _same_file(out.fileno(), err.fileno())
        told = self._told if shared and json else self._told_here
        self._err = Lane(err.fileno(), told, self._failed if shared else lambda _: None)
        self._out = self._err if shared else Lane(out.fileno(), self._told, self._failed)
        self._streams = ((out, self._out), (err, self._err))

    def lane_of(self, stream: TextIO) -> Lane | None:
        """The lane of a stream; None for one that is neither standard output nor standard error."""
        found = next((lane for known, lane in self._streams if known is stream), None)
        # A handler may have put something in the place of standard output (`handlers/user_output.py`).
        return self._out if found is None and stream is sys.stdout else found

    async def watch(self) -> None:
        """Raise OutputError as soon as standard output can't be written."""
        import trio

        failed = trio.Event()
        token = trio.lowlevel.current_trio_token()
        self._wake = lambda: _soon(token, failed)
        if self._failure is None:
            await failed.wait()
        assert self._failure is not None
        raise unwritable(self._failure) from self._failure

    async def written(self) -> None:
        """Wait until nothing waits any more."""
        import trio

        for lane in (self._out, self._err):  # in this order: what the first tells comes out of the second
            await trio.to_thread.run_sync(lane.wait_until_empty, abandon_on_cancel=True)

    def end(self) -> None:
        """Take nothing more."""
        for lane in (self._out, self._err):
            lane.end()

    def _failed(self, error: OSError) -> None:
        if error.errno in GONE:
            os.kill(os.getpid(), signal.SIGTERM)  # nobody reads: going on would only cost money
            return
        self._failure = error
        self._wake()

    def _told(self, count: int) -> bytes:
        if self._json:
            line = json.dumps({"event": "output.dropped", "time": round(time.time(), 3), "count": count})
            return f"{line}\n".encode()
        self._err.put(self._told_here(count))
        return b""

    def _told_here(self, count: int) -> bytes:
        return (
            f"Not written, as nobody read the output for too long: {count} line{'' if count == 1 else 's'}.\n".encode()
        )


_open: list[Output] = []
"""The output of the command that runs: one, or none."""


@contextmanager
def open_output(*, json: bool) -> Iterator[Output | None]:
    """Have threads write the standard streams until the block ends; None where they are no files.

    `json`: standard output takes JSON, and what is told there is JSON, too.
    """
    try:
        output = Output(sys.stdout, sys.stderr, json=json)
    except (OSError, ValueError):
        yield None
        return
    _open.append(output)
    try:
        yield output
    finally:
        _open.remove(output)
        output.end()


def lane_of(stream: TextIO) -> Lane | None:
    """The lane that takes what is printed to a stream; None where it is written at once."""
    return _open[-1].lane_of(stream) if _open else None


def unwritable(error: OSError) -> OutputError:
    """The error for a standard output that can't be written."""
    return OutputError(f"it can't be written: {(error.strerror or str(error)).lower()}", place="standard output")


def _soon(token: trio.lowlevel.TrioToken, event: trio.Event) -> None:
    import trio

    try:
        token.run_sync_soon(event.set)
    except trio.RunFinishedError:
        return


def _same_file(one: int, other: int) -> bool:
    return os.path.samestat(os.fstat(one), os.fstat(other))


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # another program has made the terminal non-blocking
            select.select([], [descriptor], [])
