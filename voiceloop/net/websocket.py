"""A WebSocket (RFC 6455) over a connection that the HTTP client has upgraded: text messages, pings, and the end.

httpx makes the handshake, so that proxies, certificates and the errors of a refusal are those of any other request;
wsproto knows the frames. No task of its own: silence makes `receive` ping. Needs the extra `realtime`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpcore
import trio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError

from voiceloop.errors import Unreachable
from voiceloop.net.attempt import Attempt
from voiceloop.net.failures import BODY_LIMIT, Where, bad_answer, broke_off, clean, from_status
from voiceloop.net.http import Call, Http

PING_S = 10.0
"""After so much silence the server is pinged; after as much again the connection counts as lost."""
WRITE_S = 10.0
"""How long the server may take no data before the connection counts as lost."""
CLOSE_S = 0.25
"""How long the goodbye may take."""
MESSAGE_LIMIT = 1024 * 1024
"""Characters of the longest message; the longest real one is the text of an utterance."""
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NO_SOCKET = "Does this server have a WebSocket at that address? Correct base_url, or use another engine"


class WebSocket:
    """Text messages both ways. One task receives; several may send. Made by `open_websocket`."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, where: Where) -> None:
        self._stream, self.where = stream, where
        self._wire = Connection(ConnectionType.CLIENT)
        self._events: deque[Event] = deque()
        self._pieces: list[str] = []
        self._pinged = self._broken = False
        self.heard_at = trio.current_time()
        """When the server last sent something, in Trio's time."""
        self._writing = trio.Lock()

    async def send(self, text: str) -> None:
        """Send a message. Raises `Unreachable` when the connection is lost."""
        await self._write(TextMessage(data=text))

    async def ping(self) -> None:
        """Ask for a sign of life: without one, `receive` raises `Unreachable` in at most `PING_S`."""
        self._pinged = True
        await self._write(Ping())

    async def receive(self) -> str:
        """The next message. Raises `Unreachable` when the connection ends, `BadAnswer` for what is no text message."""
        while True:
            while self._events:
                if (text := await self._handle(self._events.popleft())) is not None:
                    return text
            await self._read()

    async def _read(self) -> None:
        try:
            data = await self._stream.read(65_536, timeout=PING_S)
        except httpcore.ReadTimeout:
            if self._pinged:
                raise self._lost(f"the server has not answered a ping for {PING_S:g} s") from None
            await self.ping()
            return
        except httpcore.ReadError as error:
            raise self._lost(f"the connection broke off: {clean(str(error)) or 'no reason is known'}") from None
        if not data:
            raise self._lost("the server closed the connection without a word")
        self._pinged = False
        self.heard_at = trio.current_time()
        self._wire.receive_data(data)
        self._events.extend(self._wire.events())

    async def _handle(self, event: Event) -> str | None:
        match event:
            case Ping():
                await self._write(event.response())
            case TextMessage():
                self._pieces.append(event.data)
                if sum(map(len, self._pieces)) > MESSAGE_LIMIT:
                    raise bad_answer(f"a message has over {MESSAGE_LIMIT:,} characters", self.where, remedy=_NO_SOCKET)
                if event.message_finished:
                    text, self._pieces = "".join(self._pieces), []
                    return text
            case Message():
                raise bad_answer("the server sent bytes where text was expected", self.where, remedy=_NO_SOCKET)
            case CloseConnection():
                reason = clean(event.reason or "", hide=self.where.hide)
                said = f"{event.code}: {reason}" if reason else f"{event.code}"
                if self._wire.state is ConnectionState.OPEN:  # wsproto tells so of frames that it can't read
                    raise bad_answer(f"the server sent no valid frame ({said})", self.where, remedy=_NO_SOCKET)
                raise self._lost(f"the server closed the connection ({said})")
        return None

    async def _write(self, event: Event) -> None:
        async with self._writing:
            try:
                if self._broken:
                    raise self._lost("the connection is broken")
                # Half a frame, after an error or a cancellation, can't be followed by another one.
                self._broken = True
                await self._stream.write(self._wire.send(event), timeout=WRITE_S)
                self._broken = False
            except LocalProtocolError:
                raise self._lost("the server closed the connection") from None
            except httpcore.WriteTimeout:
                raise self._lost(f"the server accepted no data for {WRITE_S:g} s") from None
            except httpcore.WriteError as error:
                raise self._lost(f"the connection broke off: {clean(str(error)) or 'no reason is known'}") from None

    async def say_goodbye(self) -> None:
        """Tell the server that the connection ends. Raises `Unreachable`."""
        await self._write(CloseConnection(1000))

    def _lost(self, what: str) -> Unreachable:
        return Unreachable(what, place=str(self.where), remedy=broke_off(self.where))


@asynccontextmanager
async def open_websocket(http: Http, call: Call) -> AsyncIterator[WebSocket]:
    """Upgrade the connection of a GET. Leaving the context closes it. Raises `ServiceError`s: for a refusal, the one of
    its HTTP status."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    async with http.exchange(replace(call, headers={**call.headers, **asked}), Attempt()) as answer:
        if answer.status == 200:
            raise bad_answer("the server answered without opening a WebSocket", answer.where, remedy=_NO_SOCKET)
        if answer.status != 101:
            body = await answer.read(BODY_LIMIT, cut=True)
            raise from_status(answer.status, answer.headers, body, answer.where)
        proof = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
        if answer.headers.get("sec-websocket-accept", "").strip() != proof:
            raise bad_answer("the server's handshake is not that of a WebSocket", answer.where, remedy=_NO_SOCKET)
        socket = WebSocket(answer.stream, answer.where)
        try:
            yield socket
        finally:
            with trio.move_on_after(CLOSE_S, shield=True), suppress(Unreachable):
                await socket.say_goodbye()
