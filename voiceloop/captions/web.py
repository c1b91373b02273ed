"""Web page of captions: HTML and server-sent events over h11, for this machine only. Knows no speech.

The page shows private speech, so three checks protect it. The server listens on loopback only. The Host header must be
127.0.0.1 or localhost, because a foreign site could otherwise reach the server under its own name (DNS rebinding). The
Origin header, if any, must be the page's own.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files

import h11
import trio

from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError
from voiceloop.nursery import private_nursery

READERS = 16
"""How many pages may be open at once."""
KEPT = 12
"""How many final captions a page shows."""
ALIVE_S = 15.0
"""Interval at which a comment is sent when nothing changes, so that a closed page is noticed."""
_PATIENCE_S = 10.0
"""How long a client may take to send a request and receive a file."""
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'"
_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}


class Page:
    """`Showing` for all open pages. Each event carries the whole, newest state, so a slow page skips states and nothing
    queues up."""

    def __init__(self) -> None:
        self.port = 0
        self._lives: dict[str, Live] = {}
        self._finals: deque[tuple[int, Final]] = deque(maxlen=KEPT)
        self._count = 0
        self._changed = trio.Event()
        self._readers = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def live(self, live: Live) -> None:
        if self._lives.get(live.source) != live:
            self._lives[live.source] = live
            self._change()

    def final(self, final: Final, live: Live) -> None:
        self._count += 1
        self._finals.append((self._count, final))
        self._lives[live.source] = live
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _state(self) -> bytes:
        finals = [{"id": id_, "source": final.source, "text": final.text} for id_, final in self._finals]
        lives = [
            {"source": live.source, "sure": live.sure, "unsure": live.unsure}
            for live in self._lives.values()
            if live.sure or live.unsure
        ]
        return f"data: {json.dumps({'finals': finals, 'lives': lives})}\n\n".encode()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one request on one connection. Errors of a client end only its own connection."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=16_384)
        try:
            async with stream:
                with trio.move_on_after(_PATIENCE_S) as patience:
                    request = await _request(http, stream)
                    status = refusal(request, self.port)
                    path = request.target.decode("ascii", "replace").partition("?")[0]
                    if status is None and path == "/events" and self._readers < READERS:
                        patience.deadline = float("inf")
                        await self._events(http, stream)
                    else:
                        await _answer(http, stream, path, status)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            return

    async def _events(self, http: h11.Connection, stream: trio.SocketStream) -> None:
        self._readers += 1
        try:
            head = [
                ("Content-Type", "text/event-stream"),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
                ("Connection", "close"),
            ]
            await _send(http, stream, h11.Response(status_code=200, headers=head))
            while True:
                changed = self._changed
                await _send(http, stream, h11.Data(data=self._state()))
                while not changed.is_set():
                    with trio.move_on_after(ALIVE_S):
                        await changed.wait()
                    if not changed.is_set():
                        await _send(http, stream, h11.Data(data=b": here\n\n"))
        finally:
            self._readers -= 1


def refusal(request: h11.Request, port: int) -> int | None:
    """The status with which to refuse a request; None for a request of the page itself, on this machine."""
    if request.method != b"GET":
        return 405
    own = {f"{host}:{port}" for host in ("127.0.0.1", "localhost")}
    hosts = [value.decode("ascii", "replace").lower() for name, value in request.headers if name == b"host"]
    if len(hosts) != 1 or hosts[0] not in own:
        return 421
    origins = [value.decode("ascii", "replace").lower() for name, value in request.headers if name == b"origin"]
    return None if all(origin in {f"http://{host}" for host in own} for origin in origins) else 403


@asynccontextmanager
async def open_page(port: int) -> AsyncIterator[Page]:
    """Serve on loopback at `port`; 0 takes a free one. Raises OutputError if the port can't be opened."""
    page = Page()
    try:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    except OSError as error:
        remedy = "Choose another port, or 0 for any free one"
        reason = error.strerror or str(error)
        raise OutputError(f"port {port} can't be opened: {reason}", place="handler.web", remedy=remedy) from error
    page.port = listeners[0].socket.getsockname()[1]
    async with private_nursery() as nursery:
        await nursery.start(partial(trio.serve_listeners, page.serve, listeners), name="serve the captions page")
        yield page
        nursery.cancel_scope.cancel("the captions have ended")


async def _request(http: h11.Connection, stream: trio.SocketStream) -> h11.Request:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(bytes(await stream.receive_some(16_384)))
    if not isinstance(event, h11.Request):
        raise h11.RemoteProtocolError("no request")
    return event


async def _answer(http: h11.Connection, stream: trio.SocketStream, path: str, status: int | None) -> None:
    """Send a file of the page, or an error: `status` if it is given."""
    name, kind = _FILES.get(path, ("", "text/plain; charset=utf-8"))
    if status is None and name:
        status = 200
    elif status is None:
        status = 503 if path == "/events" else 404  # 503: READERS pages are open already
    body = files(__package__).joinpath("page", name).read_bytes() if status == 200 else b"not here\n"
    head = [
        ("Content-Type", kind if status == 200 else "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", _POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ]
    await _send(http, stream, h11.Response(status_code=status, headers=head))
    await _send(http, stream, h11.Data(data=body))
    await _send(http, stream, h11.EndOfMessage())


async def _send(http: h11.Connection, stream: trio.SocketStream, event: h11.Event) -> None:
    await stream.send_all(http.send(event) or b"")
