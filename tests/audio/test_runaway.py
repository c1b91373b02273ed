"""When PortAudio has to be loaded afresh: in virtual time, with a host whose close hangs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import trio
from trio.testing import MockClock

from voiceloop.audio.portaudio import Host
from voiceloop.audio.runaway import CERTAIN_S, runaway


class Hanging:
    """A host, as far as its closes are concerned."""

    def __init__(self) -> None:
        self.stuck = 0
        self.on_stuck: Callable[[], None] = lambda: None

    def hang(self) -> None:
        self.stuck += 1
        self.on_stuck()


async def when(host: Hanging, *, quiet: Callable[[], bool] = lambda: True, server_answers: bool = True) -> float | None:
    """The time at which the program is to start anew; None if it isn't within a minute."""

    async def answers() -> bool:
        await trio.lowlevel.checkpoint()
        return server_answers

    with trio.move_on_after(60):
        await runaway(quiet, host=cast(Host, host), answers=answers)
        return trio.current_time()
    return None


async def test_nothing_happens_while_no_close_hangs(autojump_clock: MockClock) -> None:
    assert await when(Hanging()) is None


async def test_a_close_that_hangs_for_some_seconds_is_told_at_a_quiet_moment(autojump_clock: MockClock) -> None:
    host = Hanging()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            await trio.sleep(3)
            host.hang()

        at = await when(host, quiet=lambda: trio.current_time() >= began + 20)
    assert at is not None
    assert 20 <= at - began <= 20 + CERTAIN_S


async def test_a_close_that_returns_after_all_is_forgotten(autojump_clock: MockClock) -> None:
    host = Hanging()
    host.hang()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            await trio.sleep(CERTAIN_S - 1)
            host.stuck = 0

        assert await when(host) is None


async def test_while_the_sound_server_is_silent_nothing_would_be_gained(autojump_clock: MockClock) -> None:
    host = Hanging()
    host.hang()
    assert await when(host, server_answers=False) is None
