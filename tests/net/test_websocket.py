"""The WebSocket on a server of raw sockets: pings, the end, and what is no WebSocket."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from testbed.http_parts import open_bench
from testbed.leaks import cancelled_at, nothing_unclosed
from voiceloop.config.tables import Endpoint
from voiceloop.errors import BadAnswer, ServiceError, Unreachable
from voiceloop.net import websocket
from voiceloop.net.service import Request
from voiceloop.net.websocket import WebSocket

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


@asynccontextmanager
async def connected(serve: Serve) -> AsyncIterator[WebSocket]:
    """A WebSocket to a server that, after the handshake, does what `serve` does, and then closes the connection."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some(4096)
            key = head.lower().partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
            begin = head.lower().index(b"sec-websocket-key: ") + 19
            key = head[begin : begin + len(key)]
            proof = base64.b64encode(hashlib.sha1(key + websocket._GUID.encode(), usedforsecurity=False).digest())
            await stream.send_all(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            await stream.send_all(b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")
            await serve(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        settings = Endpoint(base_url=f"http://127.0.0.1:{listener.socket.getsockname()[1]}", api_key_env="")
        async with open_bench(settings) as bench:
            service = bench.clients.endpoint(settings)
            async with service.websocket(Request("/realtime", method="GET")) as socket:
                yield socket
        nursery.cancel_scope.cancel()


def sends(*pieces: bytes, then: Serve | None = None) -> Serve:
    async def serve(stream: trio.abc.Stream) -> None:
        for piece in pieces:
            await stream.send_all(piece)
        if then is not None:
            await then(stream)

    return serve


async def ignore(stream: trio.abc.Stream) -> None:
    """Read nothing and send nothing."""
    await trio.sleep_forever()


async def read_on(stream: trio.abc.Stream) -> None:
    """Read until the client has left."""
    while await stream.receive_some(65_536):
        pass


async def test_messages_come_whole_however_they_were_cut() -> None:
    frames = b"\x81\x03one" + b"\x01\x02tw" + b"\x89\x01p" + b"\x80\x01o" + b"\x81\x05three"
    async with connected(sends(*(frames[at : at + 1] for at in range(len(frames))), then=read_on)) as socket:
        assert [await socket.receive() for _ in range(3)] == ["one", "two", "three"]


async def test_a_pong_that_nobody_asked_for_is_a_sign_of_life() -> None:
    async with connected(sends(b"\x8a\x00", b"\x81\x02hi", then=read_on)) as socket:
        assert await socket.receive() == "hi"


async def test_a_ping_is_answered() -> None:
    answered: list[bytes] = []

    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"\x89\x01p")
        answered.append(bytes(await stream.receive_some(100)))
        await stream.send_all(b"\x81\x02hi")
        await read_on(stream)

    async with connected(serve) as socket:
        assert await socket.receive() == "hi"
    assert answered[0][:2] == b"\x8a\x81"  # masked, as a client's frames must be


async def test_a_silent_server_is_pinged_and_stays_connected_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.5)

    async def serve(stream: trio.abc.Stream) -> None:
        for _ in range(3):
            assert (await stream.receive_some(100))[:1] == b"\x89"
            await stream.send_all(b"\x8a\x00")
        await stream.send_all(b"\x81\x02hi")
        await read_on(stream)

    async with connected(serve) as socket:
        assert await socket.receive() == "hi"


async def test_a_server_that_answers_no_ping_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.02)
    async with connected(read_on) as socket:
        with pytest.raises(Unreachable, match="has not answered a ping"):
            await socket.receive()


@pytest.mark.parametrize(
    ("sent", "error", "said"),
    [
        (b"", Unreachable, "closed the connection without a word"),
        (b"\x88\x06\x03\xf3full", Unreachable, r"closed the connection \(1011: full\)"),
        (b"\x88\x00", Unreachable, r"closed the connection \(1005\)"),
        (b"\xff\xff", BadAnswer, "no valid frame"),
        (b"\x81\x02\xc3\x28", BadAnswer, "no valid frame"),
        (b"\x82\x01x", BadAnswer, "bytes where text was expected"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", BadAnswer, "no valid frame"),
    ],
)
async def test_the_end_is_told_with_the_reason(sent: bytes, error: type[ServiceError], said: str) -> None:
    async with connected(sends(sent)) as socket:
        with pytest.raises(error, match=said):
            await socket.receive()


async def test_a_message_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MESSAGE_LIMIT", 1000)
    piece = b"\x00\x7e\x01\x00" + b"x" * 256
    async with connected(sends(b"\x01\x01x", *[piece] * 8, then=read_on)) as socket:
        with pytest.raises(BadAnswer, match="over 1,000 characters"):
            await socket.receive()


async def test_nothing_can_be_sent_after_the_servers_goodbye() -> None:
    async with connected(sends(b"\x88\x00", then=read_on)) as socket:
        with pytest.raises(Unreachable):
            await socket.receive()
        with pytest.raises(Unreachable, match="closed the connection"):
            await socket.send("hello")


async def test_a_server_that_reads_nothing_is_lost_and_can_be_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "WRITE_S", 0.1)
    async with connected(ignore) as socket:
        with trio.fail_after(60):
            with pytest.raises(Unreachable, match=r"accepted no data for 0.1 s"):
                await socket.send("x" * 50_000_000)
            with pytest.raises(Unreachable, match="broken"):
                await socket.send("half of a frame is on the wire")
    # `connected` has been left without waiting for the server.


@pytest.mark.parametrize("steps", range(1, 40, 3))
async def test_a_cancelled_connection_leaves_nothing_open(steps: int) -> None:
    with nothing_unclosed(), cancelled_at(steps):
        async with connected(sends(b"\x81\x02hi", then=read_on)) as socket:
            await socket.send("hello")
            await socket.receive()
