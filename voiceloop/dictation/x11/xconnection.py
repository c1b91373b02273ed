"""A connection to the X server in a thread of its own, so that a server that is held up holds up nobody else.

Knows nothing of windows or selections: it runs what it is given and hands out events.
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
"""How long the server may take for what is asked of it before it counts as gone."""

_R = TypeVar("_R")
Handler = Callable[[Any], None]


@dataclass(slots=True, eq=False)
class _Job(Generic[_R]):
    run: Callable[[], _R]
    done: trio.Event = field(default_factory=trio.Event)
    result: _R | None = None
    error: Exception | None = None


class XConnection:
    """`display` may be used in the thread only: by what `call` runs and by the handlers of events."""

    def __init__(self, name: str | None, token: trio.lowlevel.TrioToken) -> None:
        self.display = display.Display(name)
        self.display.set_error_handler(lambda *_: None)  # a window may be gone at any moment
        self._handlers: list[Handler] = []
        self._jobs: deque[_Job[Any]] = deque()
        self._lost: str | None = None
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._token = token
        self._stopped = False
        self.ended = trio.Event()
        """Set when the thread has ended."""

    async def call(self, what: Callable[[], _R]) -> _R:
        """Run `what` in the thread. Raises `TargetError` when the server is gone or doesn't answer."""
        job = _Job(what)
        self._jobs.append(job)
        self._nudge()
        with trio.move_on_after(ANSWER_S) as scope:
            await job.done.wait()
        if scope.cancelled_caught:
            raise _gone("it doesn't answer")
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def subscribe(self, handler: Handler) -> None:
        """Have `handler` called in the thread for every event."""
        self._handlers.append(handler)

    def soon(self, what: Callable[[], object]) -> None:
        """From the thread: have the loop call `what`."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(what)

    def pump(self, until: Callable[[], bool], *, timeout_s: float) -> bool:
        """In the thread: handle events until `until()`; whether it came to that in time."""
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
        """In the thread: handle the events that are there."""
        while self.display.pending_events():
            event = self.display.next_event()
            for handler in self._handlers:
                with suppress(error.XError):
                    handler(event)

    def run(self) -> None:
        """The thread: until `stop`, or the connection is lost."""
        try:
            while not self._stopped:
                self.handle_pending()
                while self._jobs:
                    self._do(self._jobs.popleft())
                self.display.flush()
                if not self.display.pending_events():
                    select.select([self.display.fileno(), self._woken], [], [])
                with suppress(BlockingIOError):
                    os.read(self._woken, 1024)
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
        self._nudge()

    def close(self) -> None:
        """Free what the thread no longer uses."""
        os.close(self._wake)
        os.close(self._woken)

    def _nudge(self) -> None:
        if self._lost is not None:
            self._fail_rest()
        with suppress(BlockingIOError):
            os.write(self._wake, b"\0")

    def _do(self, job: _Job[Any]) -> None:
        try:
            job.result = job.run()
        except error.ConnectionClosedError:
            job.error = _gone("the connection broke off")
            self.soon(job.done.set)
            raise
        except Exception as reason:  # noqa: BLE001 - raised where it was called
            job.error = reason
        self.soon(job.done.set)

    def _fail_rest(self) -> None:
        while self._jobs:
            job = self._jobs.popleft()
            job.error = _gone(self._lost or "it was closed")
            self.soon(job.done.set)


def _gone(why: str) -> TargetError:
    return TargetError(
        f"the X server: {why}", place="handler.to", remedy="Text can go to a file meanwhile: --to file:PATH"
    )


@asynccontextmanager
async def open_x(name: str | None = None) -> AsyncIterator[XConnection]:
    """Connect to the display `name` ($DISPLAY when left out). Raises `TargetError` when there is none."""
    try:
        connection = await trio.to_thread.run_sync(XConnection, name, trio.lowlevel.current_trio_token())
    except (error.DisplayError, error.ConnectionClosedError, OSError) as reason:
        raise _gone(str(reason)) from reason
    async with private_nursery() as nursery:
        nursery.start_soon(_thread, connection)
        try:
            yield connection
        finally:
            connection.stop()
            with trio.move_on_after(1, shield=True):
                await connection.ended.wait()
            if connection.ended.is_set():
                connection.close()


async def _thread(connection: XConnection) -> None:
    # Abandoned when it is cancelled, for the server may hang; the thread itself tells when it has ended.
    await trio.to_thread.run_sync(connection.run, abandon_on_cancel=True)
