"""When PortAudio has to be loaded afresh: in virtual time, with a host whose calls hang."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import trio
from trio.testing import MockClock

from voiceloop.audio.portaudio import STUCK_S, Host
from voiceloop.audio.runaway import CERTAIN_S, RETURN_S, runaway


class Hanging:
    """A host, as far as its calls that hang are concerned."""

    def __init__(self) -> None:
        self._since: float | None = None
        self.on_stuck: Callable[[], None] = lambda: None

    @property
    def hung_s(self) -> float:
        return 0.0 if self._since is None else trio.current_time() - self._since

    async def hang(self, for_s: float) -> None:
        """A call that takes so long."""
        self._since = trio.current_time()
        await trio.sleep(STUCK_S)
        self.on_stuck()
        await trio.sleep(for_s - STUCK_S)
        self._since = None


async def when(host: Hanging, *, quiet: Callable[[], bool] = lambda: True, server_answers: bool = True) -> float | None:
    """The time at which the program is to start anew; None if it isn't within a minute."""

    async def answers() -> bool:
        await trio.lowlevel.checkpoint()
        return server_answers

    with trio.move_on_after(60):
        await runaway(quiet, host=cast(Host, host), answers=answers)
        return trio.current_time()
    return None


async def test_nothing_happens_while_no_call_hangs(autojump_clock: MockClock) -> None:
    assert await when(Hanging()) is None


async def test_a_call_that_hangs_for_some_seconds_is_told_at_a_quiet_moment(autojump_clock: MockClock) -> None:
    host = Hanging()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            await trio.sleep(3)
            await host.hang(100)

        at = await when(host, quiet=lambda: trio.current_time() >= began + 20)
        nursery.cancel_scope.cancel()
    assert at is not None
    assert 20 <= at - began <= 20 + CERTAIN_S + RETURN_S


async def test_a_call_that_hung_before_it_was_watched_is_told(autojump_clock: MockClock) -> None:
    host = Hanging()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.hang, 100)
        await trio.sleep(10)
        assert await when(host) is not None
        nursery.cancel_scope.cancel()


async def test_a_call_that_returns_after_all_is_forgotten(autojump_clock: MockClock) -> None:
    host = Hanging()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.hang, CERTAIN_S - 1)
        assert await when(host) is None


async def test_calls_that_are_slow_one_after_the_other_are_none_that_hangs(autojump_clock: MockClock) -> None:
    """A device whose opening fails after a second is tried again and again."""
    host = Hanging()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            while True:
                await host.hang(1)

        assert await when(host) is None
        nursery.cancel_scope.cancel()


async def test_a_call_that_waited_for_a_stopped_server_may_return_when_it_goes_on(autojump_clock: MockClock) -> None:
    host = Hanging()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.hang, STUCK_S + CERTAIN_S + RETURN_S / 2)
        assert await when(host) is None


async def test_while_the_sound_server_is_silent_nothing_would_be_gained(autojump_clock: MockClock) -> None:
    host = Hanging()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(host.hang, 100)
        assert await when(host, server_answers=False) is None
        nursery.cancel_scope.cancel()
