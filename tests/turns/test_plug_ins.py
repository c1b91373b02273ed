"""Plug-ins that raise what is no `Exception`: it costs the turn, and the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.errors import EngineError, contained


class _Odd(BaseException):
    pass


ERRORS = [
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    _Odd("why"),
    RuntimeError("why"),
]


class _Raises:
    """Raises when it is called, `say` aloud first."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def __call__(self, *arguments: Any) -> None:
        await trio.sleep(0.1)
        raise self.error

    @asynccontextmanager
    async def opened(self, *arguments: Any) -> AsyncIterator[None]:
        await self()
        yield


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("part", ["handler", "transcriber", "synthesizer", "in a nursery"])
async def test_what_a_part_raises_costs_one_turn(autojump_clock: MockClock, part: str, error: BaseException) -> None:
    async with open_room(["one", "two"], ["Hello there.", "All is well."]) as room:
        raises = _Raises(error)

        async def nursery(*_: Any) -> None:
            async with trio.open_nursery() as own:
                own.start_soon(raises)
                own.start_soon(trio.sleep_forever)

        with pytest.MonkeyPatch.context() as patch:
            if part == "transcriber":
                patch.setattr(room.recogniser, "transcription", raises.opened, raising=False)
            elif part == "synthesizer":
                patch.setattr(room.voice, "speech", raises.opened, raising=False)
            else:
                patch.setattr(room.answerer, "handle", nursery if part == "in a nursery" else raises, raising=False)
            await room.say(1.0)
            await room.quiet(2)
        await room.say(1.0)
        await room.quiet(3)
    outcomes = [fields["outcome"] for fields in room.published("turn.done")]
    # A transcriber that fails while the user still speaks is tried once more, with the whole utterance.
    assert outcomes in (["failed", "done"], ["failed", "failed", "done"])
    assert all(type(error).__name__ in failed["error"] for failed in room.published("turn.failed"))
    assert room.published("reply")[-1]["complete"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["warm", "began"])
async def test_what_a_part_raises_at_an_onset_costs_nothing(
    autojump_clock: MockClock, method: str, error: BaseException
) -> None:
    async with open_room(["one"], ["All is well."]) as room:
        setattr(room.answerer, method, _Raises(error))
        await room.say(1.0)
        await room.quiet(3)
    assert [fields["outcome"] for fields in room.published("turn.done")] == ["done"]
    assert len(room.published("warm.failed")) == 1


async def test_cancelling_gets_out_also_beside_an_error(autojump_clock: MockClock) -> None:
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise _Odd

    with pytest.RaisesGroup(EngineError, flatten_subgroups=True), trio.move_on_after(1) as scope:
        await contained(work)
    assert scope.cancel_called
