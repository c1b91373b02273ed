"""The server: h11 over Trio's sockets, one task for each connection."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from typing import Any

import h11
import trio

from testbed.server import answers, pacing, realtime, rules
from testbed.server.answers import Plain
from testbed.server.field_rules import Broken
from testbed.server.script import Fault, Script
from testbed.server.state import Recorded, Server
from voiceloop.nursery import private_nursery


@asynccontextmanager
async def open_server(
    script: Script | None = None,
    *,
    port: int = 0,
    log: Callable[[Recorded], None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Serve until the block ends; all connections are closed then."""
    server = Server(script or Script(), log)
    server.scheme = "https" if tls else "http"
    async with private_nursery() as nursery:
        listeners: list[Any] = await trio.open_tcp_listeners(port, host="127.0.0.1")
        if server.script.stream_fault is not None and server.script.stream_fault.deaf:
            for listener in listeners:  # else the system would take megabytes in the server's place
                listener.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4_096)
        server.port = listeners[0].socket.getsockname()[1]
        if tls is not None:
            listeners = [trio.SSLListener(listener, tls, https_compatible=True) for listener in listeners]
        await nursery.start(trio.serve_listeners, partial(_connection, server), listeners)
        yield server


async def _connection(server: Server, stream: trio.abc.Stream) -> None:
    server.connections += 1
    server.connected += 1
    server.notify()
    try:
        async with stream:
            await _Connection(server, stream).run()
    except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError, ConnectionError):
        pass
    finally:
        server.connections -= 1
        server.notify()


def _body(headers: dict[str, str], raw: bytes) -> Any:
    try:
        if headers.get("content-type", "").startswith("multipart/"):
            return rules.form(headers, raw)
        return json.loads(raw) if raw else None
    except (ValueError, Broken):
        return None


class _Gone(Exception):
    """The client closed the connection, or a fault makes the server close it."""


class _Connection:
    def __init__(self, server: Server, stream: trio.abc.Stream) -> None:
        self._server, self._stream = server, stream
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while (request := await self._next()) is not None:
            self._server.requests.append(request)
            self._server.notify()
            try:
                if realtime.is_upgrade(request):
                    await realtime.serve(self._server, self._stream, self._http, request)
                    return
                await self._answer(request)
            except _Gone:
                return
            finally:
                self._server.finish(request)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _next(self) -> Recorded | None:
        try:
            return await self._request()
        except _Gone:
            return None

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._stream.receive_some(65_536)))
        return event

    async def _request(self) -> Recorded | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        pieces = []
        is_streamed = any(name.lower() == b"transfer-encoding" for name, _ in head.headers)
        if is_streamed:
            await self._begin_stream()
        while isinstance(event := await self._event(), h11.Data):
            pieces.append(bytes(event.data))
            if is_streamed:
                self._server.streamed_bytes += len(event.data)
                self._server.notify()
        if is_streamed and self._server.script.stream_fault is not None:
            return None
        raw = b"".join(pieces)
        # A client that uses this server as its proxy sends the whole URL.
        target = re.sub(r"^https?://[^/]*", "", head.target.decode())
        path, _, query = target.partition("?")
        headers = {name.decode().lower(): value.decode() for name, value in head.headers}
        return Recorded(head.method.decode(), path, query, headers, _body(headers, raw), raw)

    async def _begin_stream(self) -> None:
        """Count a body of unknown length that begins, and refuse it by the script."""
        self._server.streams += 1
        self._server.notify()
        fault = self._server.script.stream_fault
        if fault is None:
            return
        if fault.deaf:
            await trio.sleep_forever()
        if fault.status is not None:
            plain = answers.error(fault.status)
            headers = [*plain.headers, ("Content-Length", str(sum(map(len, plain.pieces)))), ("Connection", "close")]
            response = h11.Response(status_code=fault.status, headers=headers, reason="x")
            await self._stream.send_all(self._http.send(response) or b"")
            for piece in plain.pieces:
                await self._stream.send_all(self._http.send(h11.Data(data=piece)) or b"")
            await self._stream.send_all(self._http.send(h11.EndOfMessage()) or b"")
        if not fault.reads_on:
            raise _Gone

    async def _answer(self, request: Recorded) -> None:
        """Answer, and stop when the client closes the connection."""
        fault = self._server.next_fault(request.path) if request.method == "POST" else None
        await self._hear(request)
        plain = self._server.answer(request)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, request, nursery.cancel_scope, name="watch the client")
            try:
                await self._send(request, plain, fault or Fault())
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                request.gone.set()
            nursery.cancel_scope.cancel()
        if request.gone.is_set():
            raise _Gone

    async def _hear(self, request: Recorded) -> None:
        """Transcribe a posted clip with `Script.hear`. The time that takes counts as part of the script's service
        time."""
        hear = self._server.script.hear
        if hear is None or not request.path.endswith("/transcriptions") or not isinstance(request.body, dict):
            return
        if (clip := rules.clip(request.body)) is not None:
            request.heard = await trio.to_thread.run_sync(hear, clip)

    async def _watch(self, request: Recorded, scope: trio.CancelScope) -> None:
        try:
            data = await self._stream.receive_some(65_536)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data:
            self._http.receive_data(bytes(data))
            return
        request.gone.set()
        self._server.notify()
        scope.cancel()

    async def _send(self, request: Recorded, plain: Plain, fault: Fault) -> None:
        if fault.status is not None:
            plain = answers.error(fault.status)
        await trio.sleep(max(0.0, plain.after_s + fault.head_after_s - (time.monotonic() - request.received_at)))
        if fault.hang == "head":
            await trio.sleep_forever()
        if fault.drop:
            request.gone.set()
            return
        if fault.body is not None or fault.piece is not None:
            whole = b"".join(plain.pieces) if fault.body is None else fault.body
            plain = replace(plain, pieces=pacing.pieces(whole, fault.piece or len(whole) or 1), due_s=(), words=())
        request.status = plain.status
        headers = dict(plain.headers) | dict(fault.headers)
        headers.setdefault("Transfer-Encoding", "chunked")
        head = self._http.send(h11.Response(status_code=plain.status, headers=list(headers.items()), reason="x"))
        assert head is not None
        if fault.drip_head:
            for at in chain(range(len(head) - 3), repeat(4)):
                await self._stream.send_all(head[at : at + 1])
                await trio.sleep(fault.piece_every_s)
        await self._stream.send_all(head)
        if request.method != "HEAD":
            await self._body(request, plain, fault)
        await self._stream.send_all(self._http.send(h11.EndOfMessage()) or b"")
        request.answered_at = time.monotonic()

    async def _body(self, request: Recorded, plain: Plain, fault: Fault) -> None:
        began = trio.current_time()
        rounds = repeat(plain.pieces) if fault.repeat else (plain.pieces,)
        for number, piece in enumerate(chain.from_iterable(rounds)):
            if number < len(plain.due_s):
                await trio.sleep_until(began + plain.due_s[number])
            request.first_byte_at = request.first_byte_at or time.monotonic()
            if fault.cut_after is not None and request.sent + len(piece) >= fault.cut_after:
                part = piece[: fault.cut_after - request.sent]
                await self._stream.send_all(self._http.send(h11.Data(data=part)) or b"")
                request.sent += len(part)
                request.gone.set()
                raise _Cut
            if number < len(plain.words) and plain.words[number]:
                request.words.append((time.monotonic(), plain.words[number]))
            await self._stream.send_all(self._http.send(h11.Data(data=piece)) or b"")
            request.sent += len(piece)
            if fault.piece_every_s:
                await trio.sleep(fault.piece_every_s)
        if fault.hang == "body":
            await trio.sleep_forever()


class _Cut(trio.BrokenResourceError):
    """A fault makes the server break the connection."""
