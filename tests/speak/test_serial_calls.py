"""Serial calls: blocking calls in a thread, never two at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
import trio
import trio.testing

from voiceloop.speak.serial_calls import SerialCalls, open_serial_calls

PATIENCE_S = 60.0
"""How long a test waits for what should come at once."""


class Engine:
    """An engine that notices when it is called twice at once. A call lasts until it is released."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.overlapped = False
        self._busy = threading.Lock()
        self.begun = threading.Semaphore(0)
        self.release = threading.Semaphore(0)

    def call(self, number: int) -> Callable[[], int]:
        def function() -> int:
            if not self._busy.acquire(blocking=False):
                self.overlapped = True
                return -1
            self.made.append(number)
            self.begun.release()
            assert self.release.acquire(timeout=PATIENCE_S)
            self._busy.release()
            return number

        return function


async def until_begun(engine: Engine) -> None:
    assert await trio.to_thread.run_sync(lambda: engine.begun.acquire(timeout=PATIENCE_S))


async def test_a_cancelled_call_returns_at_once_and_the_next_waits_until_it_has_run_out() -> None:
    engine = Engine()
    results: list[int] = []

    async def ask(calls: SerialCalls) -> None:
        results.append(await calls.call(engine.call(2)))

    async with open_serial_calls() as calls, trio.open_nursery() as nursery:
        await begin_and_cancel(calls, engine, nursery)
        nursery.start_soon(ask, calls)
        await trio.testing.wait_all_tasks_blocked()
        assert (engine.made, results) == ([1], [])  # the second has not begun, although the first is not wanted
        assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 1  # not even its thread
        engine.release.release()
        await until_begun(engine)
        engine.release.release()
    assert (engine.made, results, engine.overlapped) == ([1, 2], [2], False)


async def begin_and_cancel(calls: SerialCalls, engine: Engine, nursery: trio.Nursery) -> None:
    """Make the call number 1, and cancel the task that waits for it. The call itself goes on."""
    scope = trio.CancelScope()
    left = trio.Event()

    async def ask() -> None:
        with scope:
            await calls.call(engine.call(1))
        left.set()

    nursery.start_soon(ask)
    await until_begun(engine)
    scope.cancel()
    await left.wait()
    assert scope.cancelled_caught


async def test_a_call_that_is_cancelled_before_it_begins_is_not_made() -> None:
    engine = Engine()
    async with open_serial_calls() as calls, trio.open_nursery() as nursery:
        nursery.start_soon(calls.call, engine.call(1))
        await until_begun(engine)
        async with trio.open_nursery() as waiting:
            waiting.start_soon(calls.call, engine.call(2))
            await trio.testing.wait_all_tasks_blocked()
            waiting.cancel_scope.cancel()
        nursery.start_soon(calls.call, engine.call(3))
        engine.release.release()
        await until_begun(engine)
        engine.release.release()
    assert engine.made == [1, 3]


async def test_an_error_is_raised_where_the_call_was_made_and_the_next_call_works() -> None:
    def fail() -> int:
        raise KeyError("x")

    async with open_serial_calls() as calls:
        with pytest.raises(KeyError):
            await calls.call(fail)
        assert await calls.call(lambda: 5) == 5


async def test_closing_waits_for_the_call_that_is_being_made() -> None:
    engine = Engine()
    async with trio.open_nursery() as nursery:
        async with open_serial_calls() as calls:
            await begin_and_cancel(calls, engine, nursery)
            threading.Timer(0.05, engine.release.release).start()
        assert engine._busy.acquire(blocking=False)  # the call is over


async def test_calls_that_are_cancelled_at_random_never_overlap_and_the_others_have_their_own_results() -> None:
    engine = Engine()
    engine.release = threading.Semaphore(10_000)
    chance = random.Random(5)
    wrong: list[int] = []

    async def ask(calls: SerialCalls, number: int, patience_s: float) -> None:
        with trio.move_on_after(patience_s):
            if await calls.call(engine.call(number)) != number:
                wrong.append(number)

    async with open_serial_calls() as calls, trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(ask, calls, number, chance.choice([0, 0.001, 0.01, 10]))
    assert not wrong
    assert not engine.overlapped
    assert len(engine.made) > 50
