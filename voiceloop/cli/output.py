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
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TextIO

from voiceloop.errors import OutputError
from voiceloop.system.lane import Lane

if TYPE_CHECKING:
    import trio

GONE = frozenset({errno.EPIPE, errno.EIO})
"""The errors of a pipe whose reader has ended, and of a terminal that was closed."""


class Output:
    """The lanes of standard output and standard error, and what becomes of their failures."""

    def __init__(self, out: TextIO, err: TextIO, *, json: bool) -> None:
        self._json = json
        self._failure: OSError | None = None
        self._wake: Callable[[], None] = lambda: None
        shared = _same_file(out.fileno(), err.fileno())
        told = self._told if shared and json else self._told_here
        self._err = Lane(partial(_write_all, err.fileno()), told, self._failed if shared else lambda _: None)
        self._out = self._err if shared else Lane(partial(_write_all, out.fileno()), self._told, self._failed)
        self._streams = ((out, self._out), (err, self._err))

    def lane_of(self, stream: TextIO) -> Lane[bytes] | None:
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


def lane_of(stream: TextIO) -> Lane[bytes] | None:
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


def _write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    _write(descriptor, b"".join(pieces))


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # another program has made the terminal non-blocking
            select.select([], [descriptor], [])
