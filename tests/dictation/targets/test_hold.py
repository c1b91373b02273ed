"""How long a lent text stays on the clipboard, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voiceloop.dictation.targets.hold import MOST_S, QUIET_S, Hold, Restore
from voiceloop.errors import TargetError


@asynccontextmanager
async def open_hold() -> AsyncIterator[tuple[Hold, list[float]]]:
    """A hold that runs, and the times at which it restored."""
    hold, times = Hold(), list[float]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold.run)
        yield hold, times
        nursery.cancel_scope.cancel()


def restoring(times: list[float]) -> Restore:
    async def restore() -> None:
        await trio.lowlevel.checkpoint()
        times.append(trio.current_time())

    return restore


async def test_every_read_prolongs_the_hold_up_to_its_bound(autojump_clock: trio.abc.Clock) -> None:
    async with open_hold() as (hold, times):
        start = trio.current_time()
        hold.begin(restoring(times))
        await trio.sleep(QUIET_S - 0.1)
        hold.read()
        await trio.sleep(3 * QUIET_S)
        assert [round(time - start, 3) for time in times] == [2 * QUIET_S - 0.1]
        start = trio.current_time()
        hold.begin(restoring(times))
        for _ in range(2 * int(MOST_S)):
            hold.read()
            await trio.sleep(1)
        assert round(times[1] - start, 3) == MOST_S
        assert len(times) == 2


async def test_the_next_paste_waits_for_the_end_of_the_hold_and_a_cancelled_wait_leaves_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with open_hold() as (hold, times):
        hold.begin(restoring(times))
        with trio.move_on_after(0.1):
            await hold.ended()
        assert times == []
        await hold.ended()
        assert len(times) == 1
        await hold.ended()
        assert len(times) == 1


async def test_a_desktop_that_is_gone_ends_the_hold(autojump_clock: trio.abc.Clock) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise TargetError("the X server is gone", place="handler.to")

    async with open_hold() as (hold, times):
        hold.begin(fail)
        await hold.ended()
        hold.begin(restoring(times))
        await hold.ended()
        assert len(times) == 1
