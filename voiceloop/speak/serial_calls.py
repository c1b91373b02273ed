"""Serial calls: blocking calls of an engine, in a thread, never two at once.

A native call can't be stopped. When the task that waits for it is cancelled, the call runs out in its thread, its
result is thrown away, and only then does the next one begin.

    task A   call ----x cancelled
    task B        call --------------- result of B
    thread   [ A runs out ][ B       ]
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio

from voiceloop.nursery import private_nursery

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Call:
    function: Callable[[], Any]
    over: trio.Event = field(default_factory=trio.Event)
    wanted: bool = True
    result: Any = None
    error: Exception | None = None


class SerialCalls:
    """Makes calls one after the other, in the order in which they were asked for."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._turn = trio.Lock()

    async def call(self, function: Callable[[], T]) -> T:
        """Call `function` in a thread and return its result. Raises what it raises.

        When cancelled, this returns at once; a call that has not begun is not made.
        """
        call = _Call(function)
        self._nursery.start_soon(self._make, call, name="call of an engine")
        try:
            await call.over.wait()
        finally:
            call.wanted = False
        if call.error is not None:
            raise call.error
        result: T = call.result
        return result

    async def _make(self, call: _Call) -> None:
        async with self._turn:
            if not call.wanted:
                return
            try:
                call.result = await trio.to_thread.run_sync(call.function)
            except Exception as error:  # noqa: BLE001 - raised in the task that waits for the call
                call.error = error
            call.over.set()


@asynccontextmanager
async def open_serial_calls() -> AsyncIterator[SerialCalls]:
    """Serial calls for one engine. Leaving waits for a call that is being made: the engine may then be freed."""
    async with private_nursery() as nursery:
        yield SerialCalls(nursery)
