"""A middlebox on loopback, as a NAT or a VPN is: on demand the connections through it die without a word.

`swallow`: what is sent on them is acknowledged and thrown away. `drop`: no packet arrives any more, so nothing is
acknowledged (Linux). Either way they stay open, and new connections work.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from voiceloop.nursery import private_nursery

SO_ATTACH_FILTER = 26
_RETURN_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A socket filter of one instruction: keep 0 bytes of each packet, which drops it."""


@dataclass(eq=False)
class Path:
    """A connection through the middlebox."""

    client: trio.SocketStream
    dead: bool = False
    closed: bool = False
    """The client has closed it. Not seen once packets are dropped."""
    swallowed: bytearray = field(default_factory=bytearray, repr=False)


@dataclass
class Middlebox:
    """The connections through it so far."""

    leads_to: int
    port: int = 0
    paths: list[Path] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def dead(self) -> list[Path]:
        return [path for path in self.paths if path.dead]

    def swallow(self) -> None:
        """Have the connections that exist now die; what is sent on them is acknowledged."""
        for path in self.paths:
            path.dead = True

    def drop(self) -> None:
        """Have the connections that exist now die; what is sent on them is not acknowledged."""
        for path in self.paths:
            path.dead = True
            if path.client.socket.fileno() >= 0:
                _drop_packets(path.client.socket)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the connections is true."""
        while not condition():
            await self.changed.wait()

    def notify(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


@asynccontextmanager
async def open_middlebox(leads_to: int) -> AsyncIterator[Middlebox]:
    """Relay connections to a port of this machine until the block ends."""
    box = Middlebox(leads_to)
    async with private_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        box.port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, partial(_through, box), listeners)
        yield box


async def _through(box: Middlebox, client: trio.SocketStream) -> None:
    path = Path(client)
    box.paths.append(path)
    box.notify()
    async with client, await trio.open_tcp_stream("127.0.0.1", box.leads_to) as server, trio.open_nursery() as nursery:
        nursery.start_soon(_relay, path, server, client, nursery.cancel_scope)
        await _relay(path, client, server, nursery.cancel_scope, box)


async def _relay(
    path: Path,
    source: trio.SocketStream,
    target: trio.SocketStream,
    both: trio.CancelScope,
    box: Middlebox | None = None,
) -> None:
    """Relay one direction; `box` is told when it ends. A dead path takes everything and passes nothing on."""
    try:
        async for data in source:
            if not path.dead:
                await target.send_all(data)
            elif box is not None:
                path.swallowed += data
                box.notify()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    if box is not None:
        path.closed = True
        box.notify()
    if box is not None or not path.dead:
        both.cancel("one side has closed")


def _drop_packets(connection: trio.socket.SocketType) -> None:
    program = ctypes.create_string_buffer(_RETURN_NOTHING)
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
