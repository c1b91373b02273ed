"""A plug-in's context manager: which of its errors gets out, and as what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from pydantic import BaseModel
from trio.testing import MockClock

from testbed.recorder import Recorder
from voiceloop.config.tables import PartTable, Table
from voiceloop.errors import EngineError, HandlerError
from voiceloop.opening import open_part


@asynccontextmanager
async def opened(manager: AbstractAsyncContextManager[None], events: Recorder) -> AsyncIterator[None]:
    """The body of a session with a part that this context manager opens."""

    class Part:
        description = "a part"

        @classmethod
        def open(cls, options: BaseModel, services: Any) -> AbstractAsyncContextManager[Part]:
            return opening()

    @asynccontextmanager
    async def opening() -> AsyncIterator[Part]:
        async with manager:
            yield Part()

    table = PartTable(use="mine:Part", part=Part, options=Table())
    async with AsyncExitStack() as stack:
        await open_part(stack, table, cast(Any, SimpleNamespace(publish=events)))
        yield


@asynccontextmanager
async def swallowing() -> AsyncIterator[None]:
    with suppress(HandlerError):
        yield


@asynccontextmanager
async def closing_badly() -> AsyncIterator[None]:
    try:
        async with trio.open_nursery():
            yield
    finally:
        raise ValueError("closed badly")


async def test_a_part_does_not_swallow_an_error_of_the_session() -> None:
    with pytest.raises(HandlerError):
        async with opened(swallowing(), Recorder()):
            raise HandlerError("of the session")


async def test_the_error_that_ends_the_session_is_told_beside_the_one_of_closing() -> None:
    events = Recorder()
    with pytest.raises(HandlerError, match="of the session"):
        async with opened(closing_badly(), events):
            raise HandlerError("of the session")
    assert events.names == ["notice"]


async def test_a_nursery_of_the_part_puts_no_group_around_an_error_of_the_session() -> None:
    @asynccontextmanager
    async def with_nursery() -> AsyncIterator[None]:
        async with trio.open_nursery():
            yield

    with pytest.raises(HandlerError):
        async with opened(with_nursery(), Recorder()):
            raise HandlerError("of the session")


async def test_a_signal_ends_the_session_in_order_although_the_part_closes_badly(autojump_clock: MockClock) -> None:
    events = Recorder()
    with trio.move_on_after(1) as scope:
        async with opened(closing_badly(), events):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert events.names == ["notice"]


async def test_a_part_that_cancels_its_own_nursery_is_named() -> None:
    @asynccontextmanager
    async def ending() -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.cancel()
            yield

    with pytest.raises(EngineError, match="'mine:Part' failed in a task of its own: its nursery was cancelled"):
        async with opened(ending(), Recorder()):
            await trio.sleep_forever()
