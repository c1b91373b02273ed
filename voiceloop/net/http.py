"""The one importer of httpx: one attempt at one request, its failures mapped to ours. Knows no retries and no keys.

Imported only when a service is first used: it takes 0.1 s, and an offline loop never needs it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx  # noqa: ASYNC127 - httpx2 continues it; moving there is a change of its own
import trio

from voiceloop import errors
from voiceloop.net.failures import BODY_LIMIT, Where, bad_answer, clean, from_status, reasons, tls_failure
from voiceloop.net.sockets import Backend
from voiceloop.net.watch import Exchange, Observe, Sight, watching

# Their debug lines hold the server's headers, where a key may be repeated, and the addresses of every request.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

KEEPALIVE_S = 600.0
"""How long an idle connection is kept. httpx's own 5 s ends between two turns of a conversation; a server that closes
earlier is noticed before the next request."""
MAX_CONNECTIONS = 32
"""Transcriptions, chat and prefetched speech of a few turns; far above what one voice needs."""
HEAD_STEPS = 3
"""Sending a request, waiting and receiving the answer's head may take `read_timeout_s` each."""
HERE = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""Servers on this machine are never asked by way of a proxy: it would look for them on its own."""
LINGER_S = 0.25
"""How long to wait for the end of an answer of which nothing more is wanted: reaching it keeps the connection."""

Take = Callable[[bytes], Awaitable[bool]]
"""What is done with each piece of a body; False when nothing more is wanted."""


@dataclass(slots=True)
class Attempt:
    """One attempt: when it must be over, and what became of it."""

    number: int = 1
    """1 for the first."""
    deadline: float = math.inf
    """In trio's time. Whatever may take long ends here; a body that is played as it comes does not."""
    connected: bool = False
    """It opened a connection of its own, instead of using an idle one."""
    answered: bool = False
    """The server began to answer."""

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.connected = True


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent. `headers` may hold the key: it stays out of the repr."""

    method: str
    url: str
    where: Where
    connect_s: float
    read_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    params: Mapping[str, str] | None = None


class Answer:
    """An answer whose body has not been read. Read it once, by `drain` or `read`."""

    def __init__(self, response: httpx.Response, call: Call, deadline: float, sight: Sight) -> None:
        self._response, self._call, self._deadline, self._sight = response, call, deadline, sight
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    @property
    def where(self) -> Where:
        return self._call.where

    @property
    def kind(self) -> str:
        """The Content-Type, fit to be shown."""
        return clean(self.headers.get("content-type", ""), 80, hide=self.where.hide) or "no content type"

    async def drain(self, take: Take) -> None:
        """Give `take` every piece of the body until it answers False.

        The only loop over httpx's generators. Nothing in it is cancelled but the read: cancellation there unwinds the
        generators and closes the connection, anywhere else it would leave them unfinished. So `take` runs shielded
        (it may wait for a bounded channel whose reader closes its end when it is cancelled), and an error or False
        from it ends the loop by cancelling the next read.
        """
        failure: Exception | None = None
        wanted = True
        with trio.CancelScope() as scope:
            try:
                async for piece in self._response.aiter_raw():
                    self._sight.took(len(piece))
                    if not wanted:
                        continue
                    try:
                        with trio.CancelScope(shield=True):
                            wanted = await take(piece)
                    except Exception as error:  # noqa: BLE001 - raised again below
                        failure, wanted = error, False
                        scope.cancel("the rest of the answer is of no use")
                    if not wanted:
                        scope.deadline = trio.current_time() + LINGER_S
            except httpx.HTTPError as error:
                if wanted:
                    raise _failure(error, self._call) from None
        if failure is not None:
            raise failure

    async def read(self, limit: int, *, cut: bool = False) -> bytes:
        """The whole body. One over `limit` bytes raises `BadAnswer`, or is cut there."""
        pieces: list[bytes] = []
        size = 0

        async def take(piece: bytes) -> bool:
            nonlocal size
            await trio.lowlevel.checkpoint()  # a long answer lets others run between its pieces
            size += len(piece)
            pieces.append(piece)
            if size <= limit:
                return True
            if not cut:
                raise bad_answer(f"the answer is over {limit:,} bytes long", self.where, status=self.status)
            raise _Enough

        # A server that sends a byte now and then never falls silent: the body as a whole has the same time.
        ends = min(trio.current_time() + self._call.read_s, self._deadline)
        with trio.move_on_at(ends) as scope, suppress(_Enough):
            await self.drain(take)
        if scope.cancelled_caught:
            raise _too_slow(f"the answer did not end within {self._call.read_s:g} s", self._call)
        return b"".join(pieces)[:limit]


class _Enough(Exception):
    """Enough of a body was read."""


class _Body(httpx.AsyncByteStream):
    """A request's body. httpx's own hands it out by an async generator, which a cancelled send leaves unfinished."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces([self._content])


class _Pieces:
    """An async iterator that is no generator."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._left = iter(pieces)

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        for piece in self._left:
            return piece
        raise StopAsyncIteration


class Http:
    """The client: one pool of connections, TLS verified, proxies and certificates from the environment."""

    def __init__(self, observe: Observe | None = None) -> None:
        self._observe = observe
        try:
            self._client = httpx.AsyncClient(
                limits=httpx.Limits(
                    max_connections=MAX_CONNECTIONS,
                    max_keepalive_connections=MAX_CONNECTIONS,
                    keepalive_expiry=KEEPALIVE_S,
                ),
                follow_redirects=False,
                mounts=dict.fromkeys(HERE),
                # Nothing that is fetched in a turn shrinks, and a decoder could fail between httpx's generators.
                headers={"accept-encoding": "identity"},
            )
        except ImportError as error:
            raise errors.MissingExtra(
                f"the proxy in the environment needs a package: {error}", remedy="Run: pip install 'httpx[socks]'"
            ) from None
        except (ValueError, OSError) as error:
            raise errors.Unreachable(
                f"the proxy or the certificates that the environment names can't be used: {clean(str(error))}",
                place="HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR",
                remedy="Correct or unset them",
            ) from None

        for pool in self._pools():
            pool._network_backend = Backend()

    async def aclose(self) -> None:
        await self._client.aclose()

    def _pools(self) -> Iterator[httpcore.AsyncConnectionPool]:
        # httpx shows its pools to nobody, and takes no backend; what is done with them is httpcore's public interface.
        for transport in (self._client._transport, *self._client._mounts.values()):
            if isinstance(transport, httpx.AsyncHTTPTransport):
                yield transport._pool

    @asynccontextmanager
    async def exchange(self, call: Call, attempt: Attempt) -> AsyncIterator[Answer]:
        """Send a request; the answer's head is there, its body is read (or not) inside. Raises `ServiceError`s."""
        with watching(self._observe, _seen(call, attempt)) as sight:
            response = await self._send(call, attempt)
            attempt.answered = True
            sight.answered(response.status_code, connected=attempt.connected)
            try:
                encoding = response.headers.get("content-encoding", "identity")
                if encoding != "identity":
                    what = f"the answer is encoded ({clean(encoding, 40)}), which was not asked for"
                    raise bad_answer(what, call.where)
                yield Answer(response, call, attempt.deadline, sight)
            finally:
                with trio.CancelScope(shield=True):
                    await response.aclose()

    async def _send(self, call: Call, attempt: Attempt) -> httpx.Response:
        # httpx's time-outs are those of one read or write; a head that comes letter by letter needs one of its own.
        longest_s = call.connect_s + HEAD_STEPS * call.read_s
        with trio.move_on_at(min(trio.current_time() + longest_s, attempt.deadline)):
            try:
                return await self._client.send(self._request(call, attempt), stream=True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _failure(error, call) from None
        raise _too_slow("the server did not begin to answer in time", call)

    def _request(self, call: Call, attempt: Attempt) -> httpx.Request:
        content = call.content or b""
        request = self._client.build_request(
            call.method,
            call.url,
            headers={**call.headers, "Content-Length": str(len(content))} if content else dict(call.headers),
            params=call.params,
            timeout=httpx.Timeout(call.read_s, connect=call.connect_s, pool=call.connect_s),
            extensions={"trace": attempt.trace},
        )
        if content:
            request.stream = _Body(content)
        return request

    def idle(self, url: str) -> int:
        """How many connections to `url` are open and unused."""
        origin = httpx.URL(url)
        wanted = httpcore.URL(
            scheme=origin.raw_scheme, host=origin.raw_host, port=origin.port, target=origin.raw_path
        ).origin
        return sum(
            connection.can_handle_request(wanted) and connection.is_idle() and not connection.has_expired()
            for pool in self._pools()
            for connection in pool.connections
        )


def _seen(call: Call, attempt: Attempt) -> Exchange:
    return Exchange(call.method, call.where.url, call.where.model, attempt.number, len(call.content or b""))


def _too_slow(what: str, call: Call) -> errors.TimedOut:
    return errors.TimedOut(what, place=str(call.where), remedy=_SLOW)


_SLOW = "Try again; if it stays, raise read_timeout_s or name a faster model"


def _failure(error: Exception, call: Call) -> errors.ServiceError:
    """Ours for one of httpx's. Not chained: theirs hold the request, and with it the key."""
    place = str(call.where)
    said = clean(str(error), hide=call.where.hide)
    match error:
        case httpx.ConnectTimeout():
            what, remedy = f"no connection within {call.connect_s:g} s", "Check the network, or raise connect_timeout_s"
        case httpx.PoolTimeout():
            what, remedy = "every connection is in use", "Lower conversation.overlap"
        case httpx.ReadTimeout():
            return errors.TimedOut(f"the server was silent for {call.read_s:g} s", place=place, remedy=_SLOW)
        case httpx.WriteTimeout():
            return errors.TimedOut(f"the server took nothing for {call.read_s:g} s", place=place, remedy=_SLOW)
        case httpx.ProxyError() if said.startswith("407"):
            return from_status(407, {}, b"", call.where)
        case httpx.ProxyError():
            what, remedy = f"the proxy refused: {said}", "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            what, remedy = f"not an address of a server: {said}", "Correct base_url"
        case httpx.ConnectError() if (failed := tls_failure(error)) is not None:
            what, remedy = failed
        case httpx.ConnectError():
            what = f"no connection: {', '.join(dict.fromkeys(reasons(error))) or said}"
            remedy = "Check the network and base_url"
        case _:
            what, remedy = f"the connection broke off: {said or type(error).__name__}", "Check the network"
    return errors.Unreachable(what, place=place, remedy=remedy)


__all__ = ["BODY_LIMIT", "Answer", "Attempt", "Call", "Http"]
