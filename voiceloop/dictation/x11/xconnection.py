"""A connection to the X server in its own thread, so that a server that hangs doesn't block the Trio loop.

Runs the functions that it is given and passes events on. Knows nothing of windows or selections.

    Trio loop                     thread
    call(function) -- _jobs -->   function()
                   <-- soon ---   job.done.set
                                  event -> handlers
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import trio
from Xlib import display, error

from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

ANSWER_S = 10.0
"""How long the server may take to answer before it counts as gone."""

_R = TypeVar("_R")
Handler = Callable[[Any], None]


@dataclass(slots=True, eq=False)
class _Job(Generic[_R]):
    run: Callable[[], _R]
    done: trio.Event = field(default_factory=trio.Event)
    result: _R | None = None
    error: Exception | None = None


class XConnection:
    """A connection and its thread. `display` may be used in the thread only: by functions that `call` runs and by event
    handlers."""

    def __init__(self, name: str | None, token: trio.lowlevel.TrioToken) -> None:
        self.display = display.Display(name)
        self.display.set_error_handler(lambda *_: None)  # errors of single requests: a window may close at any moment
        self._handlers: list[Handler] = []
        self._jobs: deque[_Job[Any]] = deque()
        self._lost: str | None = None
        self._wake_receive, self._wake_send = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._token = token
        self._stopped = False
        self.ended = trio.Event()
        """Set when the thread has ended."""

    async def call(self, function: Callable[[], _R]) -> _R:
        """Run `function` in the thread and return its result. Raises `TargetError` when the server is gone or doesn't
        answer."""
        job = _Job(function)
        self._jobs.append(job)
        self._wake_thread()
        with trio.move_on_after(ANSWER_S) as scope:
            await job.done.wait()
        if scope.cancelled_caught:
            raise _lost_error("it doesn't answer")
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def subscribe(self, handler: Handler) -> None:
        """Have `handler` called in the thread for every event."""
        self._handlers.append(handler)

    def soon(self, function: Callable[[], object]) -> None:
        """From the thread: have the Trio loop call `function`."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)

    def pump(self, until: Callable[[], bool], *, timeout_s: float) -> bool:
        """In the thread: handle events until `until()` is true. Returns False when that takes longer than
        `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.handle_pending()
            if until():
                return True
            left = deadline - time.monotonic()
            if left <= 0 or self._stopped:
                return False
            select.select([self.display.fileno()], [], [], min(left, 0.5))

    def handle_pending(self) -> None:
        """In the thread: handle the events that have arrived."""
        while self.display.pending_events():
            event = self.display.next_event()
            for handler in self._handlers:
                with suppress(error.XError):
                    handler(event)

    def run(self) -> None:
        """The body of the thread: runs until `stop` is called or the connection is lost."""
        try:
            while not self._stopped:
                self.handle_pending()
                while self._jobs:
                    self._run_job(self._jobs.popleft())
                self.display.flush()
                if not self.display.pending_events():
                    select.select([self.display.fileno(), self._wake_receive], [], [])
                with suppress(BlockingIOError):
                    os.read(self._wake_receive, 1024)
        except (error.ConnectionClosedError, OSError, ValueError) as reason:
            self._lost = str(reason) or "the connection broke off"
        finally:
            with suppress(Exception):
                self.display.close()
            self._fail_rest()
            self.soon(self.ended.set)

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._wake_thread()

    def close(self) -> None:
        """Close the wake-up pipe. Only after the thread has ended."""
        os.close(self._wake_send)
        os.close(self._wake_receive)

    def _wake_thread(self) -> None:
        if self._lost is not None:
            self._fail_rest()
        with suppress(BlockingIOError):
            os.write(self._wake_send, b"\0")

    def _run_job(self, job: _Job[Any]) -> None:
        try:
            job.result = job.run()
        except error.ConnectionClosedError:
            job.error = _lost_error("the connection broke off")
            self.soon(job.done.set)
            raise
        except Exception as reason:  # noqa: BLE001 - raised again in `call`
            job.error = reason
        self.soon(job.done.set)

    def _fail_rest(self) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            job.error = _lost_error(self._lost or "it was closed")
            self.soon(job.done.set)


def _lost_error(why: str) -> TargetError:
    return TargetError(
        f"the X server: {why}", place="handler.to", remedy="Text can go to a file instead: --to file:PATH"
    )


@asynccontextmanager
async def open_x(name: str | None = None) -> AsyncIterator[XConnection]:
    """Connect to the display `name` ($DISPLAY when left out). Raises `TargetError` when there is none."""
    try:
        connection = await trio.to_thread.run_sync(XConnection, name, trio.lowlevel.current_trio_token())
    except (error.DisplayError, error.ConnectionClosedError, OSError) as reason:
        raise _lost_error(str(reason)) from reason
    async with private_nursery() as nursery:
        nursery.start_soon(_run_thread, connection, name="X connection thread")
        try:
            yield connection
        finally:
            connection.stop()
            with trio.move_on_after(1, shield=True):
                await connection.ended.wait()
            if connection.ended.is_set():
                connection.close()


async def _run_thread(connection: XConnection) -> None:
    # Abandoned on cancellation, because the server may hang; the thread itself sets `ended`.
    await trio.to_thread.run_sync(connection.run, abandon_on_cancel=True)
