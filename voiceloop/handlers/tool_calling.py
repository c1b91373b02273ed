"""Calls the user's functions: in a thread, on Trio or on asyncio; several side by side, each with a time limit."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from voiceloop.handlers.user_output import users_function

if TYPE_CHECKING:
    import asyncio

THREADS = 16
"""How many synchronous functions may run at once. One that never returns keeps its thread."""
_ASYNCIO = frozenset({"asyncio", "aiohttp", "aiofiles", "aiomqtt", "asyncpg", "bleak", "motor", "websockets"})
_TRIO = frozenset({"trio", "anyio"})
"""Modules that work on asyncio only, and those that show that a function was written for Trio, too."""
T = TypeVar("T")


class TooSlow(Exception):
    """The function took longer than it may."""


class Calling:
    """Calls functions, each for at most `limit_s` seconds.

    A function in a thread can't be stopped: when it takes longer, it goes on and its result is dropped. `late` is then
    called with its name and how long it took, once it has returned after all.
    """

    def __init__(self, limit_s: float, late: Callable[[str, float], None]) -> None:
        self._limit_s, self._late = limit_s, late
        self._threads = trio.CapacityLimiter(THREADS)

    async def call(self, name: str, function: Callable[[], Any], *, on: str) -> Any:
        """Call `function` `on` "thread", "trio" or "asyncio". Raises what it raises, and `TooSlow`."""
        with trio.move_on_after(self._limit_s) as scope, users_function():
            if on == "trio":
                return await function()
            return await self._in_thread(name, function if on == "thread" else _Asyncio(function), scope)
        raise TooSlow

    async def _in_thread(self, name: str, function: Callable[[], Any], scope: trio.CancelScope) -> Any:
        token, began, given_up = trio.lowlevel.current_trio_token(), trio.current_time(), False

        def tell() -> None:
            self._late(name, trio.current_time() - began)

        def call() -> Any:
            try:
                return function()
            finally:
                if given_up:
                    with suppress(trio.RunFinishedError):
                        token.run_sync_soon(tell)

        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)
        except trio.Cancelled:
            if isinstance(function, _Asyncio):
                function.cancel()
            else:
                # Otherwise the turn was cancelled, and nobody waits for a result.
                given_up = trio.current_time() >= scope.deadline
            raise


class _Asyncio:
    """A call of an async function on an asyncio loop of its own, in the thread that makes it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def __call__(self) -> Any:
        import asyncio

        with suppress(asyncio.CancelledError):
            return asyncio.run(self._run())

    async def _run(self) -> Any:
        import asyncio

        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        return await self._function()

    def cancel(self) -> None:
        """Cancel the call, from another thread."""
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._task.cancel)


def runs_on(function: Callable[..., Any]) -> str:
    """Where a function is to be called: "thread" if it is synchronous; else "asyncio" if its module imports asyncio, or
    what needs it, and not Trio; else "trio"."""
    call = getattr(function, "__call__", function)  # noqa: B004 - an object's __call__ may be async
    if not any(map(inspect.iscoroutinefunction, (function, call))):
        return "thread"
    code = getattr(function, "__code__", None)
    names = {*getattr(code, "co_names", ())}  # imports within the function
    for value in vars(sys.modules.get(function.__module__, ModuleType("none"))).values():
        home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        names.add(str(home).partition(".")[0])
    return "asyncio" if names & _ASYNCIO and not names & _TRIO else "trio"


def wanted_asyncio(error: BaseException) -> bool:
    """Whether an async function failed because it was not run on asyncio."""
    text = str(error)
    return (isinstance(error, RuntimeError) and "no running event loop" in text) or (
        isinstance(error, TypeError) and "trio.run received unrecognized yield message" in text
    )


async def in_order(jobs: Sequence[tuple[Callable[[], Awaitable[T]], bool]]) -> list[T]:
    """Run jobs and return their results in the same order. Those that are marked as parallel run side by side; the
    others run alone, after all before them and before all after them."""
    results: dict[int, T] = {}

    async def run(number: int, job: Callable[[], Awaitable[T]]) -> None:
        results[number] = await job()

    at = 0
    while at < len(jobs):
        end = at + 1
        while jobs[at][1] and end < len(jobs) and jobs[end][1]:
            end += 1
        async with trio.open_nursery() as nursery:
            for number in range(at, end):
                nursery.start_soon(run, number, jobs[number][0], name="tool")
        at = end
    return [results[number] for number in range(len(jobs))]
