"""An HTTP proxy on loopback for CONNECT. Whatever host is asked for, it connects to one port of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import h11
import trio

from voiceloop.nursery import private_nursery


@dataclass
class Proxy:
    """The proxy's settings, and what it records."""

    leads_to: int
    """The port that every CONNECT is connected to."""
    refuse: int | None = None
    """Answer every CONNECT with this status."""
    password: str | None = None
    """The `Proxy-Authorization` that a client must send."""
    hang: bool = False
    """Never answer a CONNECT."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The request line of each CONNECT: method and target."""
    heads: list[dict[str, str]] = field(default_factory=list)
    open: int = 0
    """The number of open connections."""
    news: trio.Event = field(default_factory=trio.Event)

    async def until_left(self) -> None:
        """Wait until no connection is open."""
        while self.open:
            await self.news.wait()

    def _count(self, by: int) -> None:
        self.open += by
        self.news.set()
        self.news = trio.Event()


@asynccontextmanager
async def open_proxy(proxy: Proxy) -> AsyncIterator[Proxy]:
    """Serve until the block ends."""
    async with private_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, partial(_client, proxy), listeners)
        yield proxy


async def _client(proxy: Proxy, stream: trio.SocketStream) -> None:
    proxy._count(1)
    try:
        async with stream:
            await _connect(proxy, stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        pass
    finally:
        proxy._count(-1)


async def _connect(proxy: Proxy, stream: trio.SocketStream) -> None:
    http = h11.Connection(h11.SERVER)
    while (head := http.next_event()) is h11.NEED_DATA:
        http.receive_data(bytes(await stream.receive_some(65_536)))
    if not isinstance(head, h11.Request):
        return
    proxy.asked.append(f"{head.method.decode()} {head.target.decode()}")
    proxy.heads.append({name.decode().lower(): value.decode() for name, value in head.headers})
    if proxy.hang:
        await trio.sleep_forever()
    status = proxy.refuse or 200
    if proxy.password is not None and proxy.heads[-1].get("proxy-authorization") != proxy.password:
        status = 407
    if status != 200:
        await stream.send_all(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
        return
    await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
    async with await trio.open_tcp_stream("127.0.0.1", proxy.leads_to) as behind, trio.open_nursery() as nursery:
        nursery.start_soon(_relay, stream, behind, nursery.cancel_scope)
        nursery.start_soon(_relay, behind, stream, nursery.cancel_scope)


async def _relay(source: trio.SocketStream, target: trio.SocketStream, both: trio.CancelScope) -> None:
    try:
        async for data in source:
            await target.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    both.cancel("one side has closed")
