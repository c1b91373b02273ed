"""A producer task whose items are consumed through a channel, for reading an answer while it is used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from voiceloop.nursery import private_nursery

T = TypeVar("T")


@asynccontextmanager
async def streaming(
    produce: Callable[[trio.MemorySendChannel[T]], Awaitable[None]], bound: int
) -> AsyncIterator[trio.MemoryReceiveChannel[T]]:
    """Run `produce` concurrently with the body, which receives its items from the channel.

    An error of `produce` is raised by the context manager, never inside a group. The channel holds `bound` items; when
    it is full the producer waits, and with it the socket. Leaving the body cancels the producer, and with it the
    request.
    """
    failures: list[Exception] = []
    send, receive = trio.open_memory_channel[T](bound)

    async def run() -> None:
        with send:
            try:
                await produce(send)
            except trio.BrokenResourceError:
                return  # the reader has closed the channel and needs no more items
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)

    async with private_nursery() as nursery:
        nursery.start_soon(run, name="answer reader")
        # Close the channel first: this wakes a producer that waits, shielded from cancellation, for space in it.
        with receive:
            yield receive
    if failures:
        raise failures[0]
