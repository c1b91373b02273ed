"""The server: h11 over Trio's sockets, one task for each connection."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, repeat
from typing import Any

import h11
import trio

from testbed.server import answers, pacing, realtime, rules
from testbed.server.answers import Plain
from testbed.server.script import Fault, Script, SocketFault
from voiceloop.nursery import private_nursery

PREFIX = "/api/v1"


@dataclass(slots=True)
class Recorded:
    """A request, and how it was answered."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any
    raw: bytes = field(repr=False)
    broken: str | None = None
    """The rule it broke."""
    status: int = 0
    sent: int = 0
    """Bytes of the answer's body."""
    received_at: float = field(default_factory=time.monotonic)
    """When its last byte was received, by `time.monotonic()`, which all processes of a machine share."""
    first_byte_at: float | None = None
    """When the first byte of the answer's body was sent."""
    answered_at: float | None = None
    """When all of the answer was sent; None when the client left before."""
    words: list[tuple[float, str]] = field(default_factory=list)
    """The tokens of a chat's answer, or the text of a transcription, each with the time when it was sent."""
    heard: str | None = None
    """The transcript that `Script.hear` gave for its clip."""
    gone: trio.Event = field(default_factory=trio.Event)
    """Set when the client closed the connection before the answer's end."""
    done: trio.Event = field(default_factory=trio.Event)
    """Set when the request is finished."""


class Server:
    """The server's address, the requests so far, and the choice of each answer."""

    def __init__(self, script: Script, log: Callable[[Recorded], None] | None) -> None:
        self.script = script
        self.requests: list[Recorded] = []
        self.sockets: list[realtime.Socket] = []
        """The WebSocket connections so far."""
        self.connections = 0
        """The number of open connections."""
        self.connected = 0
        """The number of connections opened since the start."""
        self.port = 0
        self.scheme = "http"
        self._log = log
        self._changed = trio.Event()
        self._count: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{PREFIX}"

    @property
    def broken(self) -> list[str]:
        """The rule that each wrong request broke."""
        return [request.broken for request in self.requests if request.broken]

    def posts(self, path: str = "") -> list[Recorded]:
        return [r for r in self.requests if r.method == "POST" and path in r.path]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the server's state is true."""
        while not condition():
            await self._changed.wait()

    def notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def next_fault(self, path: str) -> Fault | None:
        number = self._count["faults"]
        self._count["faults"] += 1
        if self.script.faults:
            return self.script.faults.pop(0)
        return self.script.fault(path, number) if self.script.fault is not None else None

    def next_socket_fault(self) -> SocketFault:
        faults = self.script.socket_faults
        return (faults.pop(0) if faults else None) or SocketFault()

    def drop_sockets(self) -> None:
        """Close all WebSocket connections."""
        for socket in self.sockets:
            socket.scope.cancel("dropped")

    def next_text(self) -> str:
        """The text of the next utterance that a WebSocket brings."""
        number = self._count["sockets"]
        self._count["sockets"] += 1
        return str(answers.take(self.script.texts, number))

    def answer(self, request: Recorded) -> Plain:
        """The answer without faults. Wrong requests are refused, as by the real server."""
        path = request.path.removeprefix(PREFIX)
        if request.method in {"GET", "HEAD"}:
            return answers.error(404) if path != "/models" else answers.models(self.script, request.query)
        if path not in rules.RULES:
            return answers.error(404, f"no path {request.path}")
        if self.script.key is not None and request.headers.get("authorization") != f"Bearer {self.script.key}":
            return answers.error(401)
        request.broken = rules.broken(path, request.headers, request.body, openai=self.script.openai)
        if request.broken:
            return answers.error(400, request.broken)
        if self.script.refuse is not None and self.script.refuse(request.body):
            return answers.error(400, "Provider returned error")
        if self.script.models is not None and request.body["model"] not in self.script.models:
            return answers.error(404, f"No endpoints found for {request.body['model']}.")
        number = self._count[path]
        self._count[path] += 1
        if path == "/audio/transcriptions":
            return answers.transcription(self.script, request.body, number, heard=request.heard)
        return (answers.speech if path == "/audio/speech" else answers.chat)(self.script, request.body, number)

    def finish(self, request: Recorded) -> None:
        request.done.set()
        if self._log is not None:
            self._log(request)
        self.notify()


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
    except (ValueError, rules.Broken):
        return None


class _Gone(Exception):
    """The client closed the connection, or a fault makes the server close it."""


class _Connection:
    def __init__(self, server: Server, stream: trio.abc.Stream) -> None:
        self._server, self._stream = server, stream
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while (request := await self._request()) is not None:
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

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._stream.receive_some(65_536)))
        return event

    async def _request(self) -> Recorded | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        pieces = []
        while isinstance(event := await self._event(), h11.Data):
            pieces.append(bytes(event.data))
        raw = b"".join(pieces)
        # A client that uses this server as its proxy sends the whole URL.
        target = re.sub(r"^https?://[^/]*", "", head.target.decode())
        path, _, query = target.partition("?")
        headers = {name.decode().lower(): value.decode() for name, value in head.headers}
        return Recorded(head.method.decode(), path, query, headers, _body(headers, raw), raw)

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
