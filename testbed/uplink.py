"""A home's uplink on loopback: a relay whose way up has the rate and the delay of such a line.

    client -> [queue] -> [token bucket: so many bits a second] -> half a round trip -> server
    client <------------------------------------------------------ half a round trip <- server

An idle line saves up nothing, so no packet leaves faster than the rate. The queue is short, as a modem's should be:
when it is full, the relay reads no more and the client's own sending stops. What a line also does is left out: packets'
headers (3 %), losses, and the slow start of a connection that was idle.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from voiceloop.nursery import private_nursery

PACKET = 1_448
"""Bytes of a packet on Ethernet."""
QUEUE_S = 0.1
"""How much may wait for the line."""


class Bucket:
    """A token bucket on bytes, which saves up nothing. Pure: times are arguments, in seconds of any clock."""

    def __init__(self, bits_a_second: float) -> None:
        self._rate = bits_a_second / 8
        self._free_at = float("-inf")

    def leaves_at(self, count: int, now: float) -> float:
        """When the last of `count` bytes that come now has left, behind those that came before."""
        self._free_at = max(self._free_at, now) + count / self._rate
        return self._free_at

    def waits_s(self, now: float) -> float:
        """How long what has come so far still takes to leave."""
        return max(0.0, self._free_at - now)


@dataclass(eq=False)
class Flow:
    """A connection through the line."""

    up_bytes: int = 0
    """Bytes that have left towards the server."""
    left_at: float = float("-inf")
    """When the last of them left the client's end of the line, by Trio's clock: when they were handed to the server
    less the delay of this way."""


@dataclass
class Uplink:
    """The line, and the connections through it so far."""

    leads_to: int
    up_bits_a_second: float = 5e6
    round_trip_s: float = 0.08
    port: int = 0
    flows: list[Flow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bucket = Bucket(self.up_bits_a_second)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"


@asynccontextmanager
async def open_uplink(line: Uplink) -> AsyncIterator[Uplink]:
    """Relay connections to a port of this machine until the block ends."""
    async with private_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        for listener in listeners:  # else the system would take megabytes that the line hasn't
            listener.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 16_384)
        line.port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, partial(_through, line), listeners)
        yield line


async def _through(line: Uplink, client: trio.SocketStream) -> None:
    flow = Flow()
    line.flows.append(flow)
    await trio.sleep(line.round_trip_s)  # the handshake, which loopback has done by itself
    async with client, await trio.open_tcp_stream("127.0.0.1", line.leads_to) as server, trio.open_nursery() as nursery:
        nursery.start_soon(_up, line, flow, client, server, nursery)
        nursery.start_soon(_down, line, server, client, nursery)


async def _up(
    line: Uplink, flow: Flow, client: trio.SocketStream, server: trio.SocketStream, both: trio.Nursery
) -> None:
    half_s = line.round_trip_s / 2
    # Bounded by the line's queue: reading stops while QUEUE_S waits for the line.
    send, receive = trio.open_memory_channel[tuple[float, bytes]](float("inf"))

    async def deliver() -> None:
        async with receive:
            async for left_at, data in receive:
                await trio.sleep_until(left_at + half_s)
                await server.send_all(data)
                flow.up_bytes += len(data)
                flow.left_at = trio.current_time() - half_s
        await _end(server, both)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            async with send:
                async for data in client:
                    for at in range(0, len(data), PACKET):
                        packet = bytes(data[at : at + PACKET])
                        await trio.sleep(max(0.0, line._bucket.waits_s(trio.current_time()) - QUEUE_S))
                        send.send_nowait((line._bucket.leaves_at(len(packet), trio.current_time()), packet))
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        both.cancel_scope.cancel("one side has closed")


async def _down(line: Uplink, server: trio.SocketStream, client: trio.SocketStream, both: trio.Nursery) -> None:
    send, receive = trio.open_memory_channel[tuple[float, bytes]](64)  # full: the server's own sending stops

    async def deliver() -> None:
        async with receive:
            async for due, data in receive:
                await trio.sleep_until(due)
                await client.send_all(data)
        await _end(client, both)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            async with send:
                async for data in server:
                    await send.send((trio.current_time() + line.round_trip_s / 2, bytes(data)))
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        both.cancel_scope.cancel("one side has closed")


async def _end(target: trio.SocketStream, both: trio.Nursery) -> None:
    """What came from one side has ended, and all of it was handed on: the connection is over."""
    await target.send_eof()
    both.cancel_scope.cancel("one side has closed")
