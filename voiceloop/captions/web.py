"""Web page of captions: HTML and server-sent events over h11, for this machine or shared. Knows no speech.

Every bound is in `Limits`. Beyond them connections are refused or closed; nothing queues up in this process, as a
reader is only the number of its last line (`lines.py`), and a socket's buffer in the kernel is small.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files

import h11
import trio

from voiceloop.captions.address import EVENTS, FILES, LOOPBACK, Address, Sharing, after_of, refusal
from voiceloop.captions.lines import Lines
from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError
from voiceloop.nursery import private_nursery

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALIVE, _END = b"event: alive\ndata: 1\n\n", b"event: end\ndata: 1\n\n"
_SENTENCES = {
    403: "Another site asked for the captions, and gets nothing.",
    404: "There is nothing at this address.",
    405: "The captions can only be read.",
    421: "The captions are not served under this name.",
}
_HEAD = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)
_LAST_S = 1.0
"""How long the end waits for the readers to receive the last words."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a page serves, and how long it waits."""

    readers: int = 200
    """How many readers may be connected at once."""
    others: int = 128
    """How many more connections there may be at once, such as for the page's files. More are closed at once."""
    patience_s: float = 10.0
    """How long a client may take to send a request and to receive a file."""
    alive_s: float = 5.0
    """Interval at which a reader is told that the connection lives when nothing changes."""
    stall_s: float = 30.0
    """How long a reader may take to receive an event, or to acknowledge it at all."""
    buffer: int = 65_536
    """Bytes that the kernel may hold for a reader who is slow."""


class Page:
    """`Showing` for all readers of the page at `address`. Each reader is sent what it has not got, whenever it is
    ready for it, so a slow one skips live words and nothing queues up."""

    def __init__(self, address: Address, limits: Limits, language: str = "", second: str = "") -> None:
        self.address = address
        self._limits = limits
        self._language, self._second = (tag.encode() if _LANGUAGE.fullmatch(tag) else b"" for tag in (language, second))
        self._lines = Lines(secrets.token_hex(4))
        self._changed = trio.Event()
        self._ended = False
        self._all_gone = trio.Event()
        self.readers = 0
        """How many readers are connected."""
        self._connections = 0

    @property
    def url(self) -> str:
        return self.address.url

    def live(self, live: Live) -> None:
        if self._lines.live(live):
            self._change()

    def final(self, final: Final, live: Live) -> None:
        self._lines.final(final, live)
        self._change()

    def translated(self, number: int, text: str) -> None:
        if self._lines.translated(number, text):
            self._change()

    async def end(self) -> None:
        """Let the readers receive the last words, and tell them that it is the end. Waits until they have it."""
        self._ended = True
        self._change()
        if self.readers:
            await self._all_gone.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one request on one connection. Errors of a client end only its own connection."""
        self._connections += 1
        try:
            async with stream:
                if self._connections <= self._limits.readers + self._limits.others:
                    await self._serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            return
        finally:
            self._connections -= 1

    async def _serve(self, stream: trio.SocketStream) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
        with trio.move_on_after(self._limits.patience_s) as patience:
            request = await _request(http, stream)
            status = refusal(request, self.address)
            name = None if status else self.address.name_of(request.target)
            full = self.readers >= self._limits.readers
            if name is None:
                await self._refuse(http, stream, status or 404)
            elif full and name in {"", EVENTS}:
                await self._refuse(http, stream, 503)
            elif name == EVENTS:
                patience.deadline = float("inf")
                await self._events(http, stream, after_of(request))
            else:
                file, kind = FILES[name]
                body = files(__package__).joinpath("page", file).read_bytes()
                body = body if name else body.replace(b"{language}", self._language).replace(b"{second}", self._second)
                await _answer(http, stream, 200, kind, body)

    async def _refuse(self, http: h11.Connection, stream: trio.SocketStream, status: int) -> None:
        full = f"There is no room: {self._limits.readers} people read these captions already. Try again in a minute."
        sentence = full if status == 503 else _SENTENCES[status]
        await _answer(http, stream, status, "text/plain; charset=utf-8", f"{sentence}\n".encode())

    async def _events(self, http: h11.Connection, stream: trio.SocketStream, after: str) -> None:
        """Bring a reader up to date again and again, until it goes, stalls, or the captions end."""
        self.readers += 1
        try:
            _bound(stream.socket, self._limits)
            head = [("Content-Type", "text/event-stream"), *_HEAD]
            await self._send(http, stream, h11.Response(status_code=200, headers=head))
            async with private_nursery() as nursery:
                nursery.start_soon(_until_gone, stream, nursery.cancel_scope, name="wait for the reader to go")
                await self._update(http, stream, self._lines.place(after))
        finally:
            self.readers -= 1
            if self._ended and not self.readers:
                self._all_gone.set()

    async def _update(self, http: h11.Connection, stream: trio.SocketStream, has: int) -> None:
        seen = 0
        while True:
            changed, ended = self._changed, self._ended
            second, seen = self._lines.seconds(has, seen)
            event, has = self._lines.event(has)
            await self._send(http, stream, h11.Data(data=event + second))
            if has < self._lines.count:
                continue
            if ended:
                await self._send(http, stream, h11.Data(data=_END))
                await self._send(http, stream, h11.EndOfMessage())
                return
            while not changed.is_set():
                with trio.move_on_after(self._limits.alive_s):
                    await changed.wait()
                if not changed.is_set():
                    await self._send(http, stream, h11.Data(data=_ALIVE))

    async def _send(self, http: h11.Connection, stream: trio.SocketStream, event: h11.Event) -> None:
        """Send to a reader. Raises BrokenResourceError if it takes too long: the reader has stalled."""
        with trio.move_on_after(self._limits.stall_s):
            await stream.send_all(http.send(event) or b"")
            return
        raise trio.BrokenResourceError("the reader has stalled")


@asynccontextmanager
async def open_page(
    port: int,
    *,
    share: Sharing | None = None,
    language: str = "",
    second: str = "",
    limits: Limits | None = None,
) -> AsyncIterator[Page]:
    """Serve at `port`, 0 for a free one: on loopback, or as `share` says. `language` and `second`: those of the
    captions and of their second lines, as BCP 47, if they are known.

    Raises OutputError if that address or port can't be opened.
    """
    host, path = share.at() if share is not None else (LOOPBACK, "/")
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        where = f"port {port}" if host == LOOPBACK else f"{host}, port {port},"
        remedy = "Choose another port, or 0 for any free one"
        reason = error.strerror or str(error)
        raise OutputError(f"{where} can't be opened: {reason}", place="handler.web", remedy=remedy) from error
    bound = listeners[0].socket.getsockname()[1]
    page = Page(Address(host, bound, path), limits or Limits(), language, second)
    # The readers outlive a Ctrl-C by at most _LAST_S, so that they receive the last words.
    serving = trio.CancelScope(shield=True)
    async with private_nursery() as nursery:
        nursery.start_soon(_serve, page, listeners, serving, name="serve the captions page")
        try:
            yield page
        finally:
            with trio.move_on_after(_LAST_S, shield=True):
                await page.end()
            serving.cancel("the captions have ended")


async def _serve(page: Page, listeners: list[trio.SocketListener], scope: trio.CancelScope) -> None:
    with scope:
        await trio.serve_listeners(page.serve, listeners)


def _bound(connection: trio.socket.SocketType, limits: Limits) -> None:
    """Bound what the kernel keeps for a reader, and for how long it waits for one that has vanished."""
    with suppress(OSError):  # it is gone already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.buffer)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.stall_s * 1000))


async def _until_gone(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Cancel `scope` when a reader closes its connection: it has nothing more to say."""
    with suppress(trio.BrokenResourceError):
        await stream.receive_some(1)
    scope.cancel("the reader has gone")


async def _request(http: h11.Connection, stream: trio.SocketStream) -> h11.Request:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(bytes(await stream.receive_some(16_384)))
    if not isinstance(event, h11.Request):
        raise h11.RemoteProtocolError("no request")
    return event


async def _answer(http: h11.Connection, stream: trio.SocketStream, status: int, kind: str, body: bytes) -> None:
    head = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", _POLICY),
        *([("Retry-After", "60")] if status == 503 else []),
        *_HEAD,
    ]
    for event in (h11.Response(status_code=status, headers=head), h11.Data(data=body), h11.EndOfMessage()):
        await stream.send_all(http.send(event) or b"")
