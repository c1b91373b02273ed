"""Runs the reading of an answer beside the use of it."""

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
    """Run `produce` beside the body and hand its channel out; its error leaves by the context, never as a group.

    The channel holds `bound` items; when it is full the producer, and with it the socket, waits. Leaving the body ends
    the producer, and with it the request.
    """
    failures: list[Exception] = []
    send, receive = trio.open_memory_channel[T](bound)

    async def run() -> None:
        with send:
            try:
                await produce(send)
            except trio.BrokenResourceError:
                return  # the reader has left, and needs nothing more
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)

    async with private_nursery() as nursery:
        nursery.start_soon(run)
        # Closing first frees a producer that waits, shielded, for room in the channel.
        with receive:
            yield receive
    if failures:
        raise failures[0]
