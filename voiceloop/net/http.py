"""The HTTP client: makes one attempt at one request. Its routes are in `routes`.

Knows no retries and no keys. These two are the only modules that import httpx. That takes 0.1 s and an offline loop
never needs it, so this module is imported only when a service is first used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.request import getproxies

import httpcore
import httpx  # noqa: ASYNC127 - httpx2 is its successor; moving to it is a separate change
import trio

from voiceloop import errors
from voiceloop.net.attempt import Attempt, waiting
from voiceloop.net.bodies import pieces
from voiceloop.net.connections import Connections
from voiceloop.net.failures import (
    Where,
    bad_answer,
    broke_off,
    clean,
    from_status,
    reasons,
    start_it,
    tls_failure,
    without_network,
)
from voiceloop.net.proxies import Proxies
from voiceloop.net.redaction import Redaction, secrets_of
from voiceloop.net.routes import Routes
from voiceloop.net.sockets import Backend, leads_near
from voiceloop.net.upload import Upload
from voiceloop.net.watch import Exchange, ExchangeObserver, Observe, watching

# The debug lines of both contain the addresses of all requests and the server's headers, which may repeat the key.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

HEAD_STEPS = 3
"""Sending a request, waiting and receiving the answer's head may take `read_timeout_s` each."""
LINGER_S = 0.25
"""How long to wait for the end of an answer whose rest is not needed: if the end is reached, the connection can be
reused."""

Take = Callable[[bytes], Awaitable[bool]]
"""Called with each piece of a body. Returns False when no more pieces are needed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to be sent. `headers` may contain the key, so the repr omits them."""

    method: str
    url: str
    where: Where
    connect_s: float
    read_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    upload: Upload | None = field(default=None, repr=False)
    """A body that is still being made, in place of `content`."""
    params: Mapping[str, str] | None = None


class Answer:
    """An answer whose body has not been read yet. Read the body once, with `drain` or `read`."""

    def __init__(self, response: httpx.Response, call: Call, deadline: float, sight: ExchangeObserver) -> None:
        self._response, self._call, self._deadline, self._sight = response, call, deadline, sight
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    @property
    def where(self) -> Where:
        return self._call.where

    @property
    def kind(self) -> str:
        """The Content-Type, cleaned for display."""
        return clean(self.headers.get("content-type", ""), 80, hide=self.where.hide) or "no content type"

    @property
    def stream(self) -> httpcore.AsyncNetworkStream:
        """The connection itself, after a 101. It is closed with the exchange."""
        stream: httpcore.AsyncNetworkStream = self._response.extensions["network_stream"]
        return stream

    async def drain(self, take: Take) -> None:
        """Call `take` with every piece of the body until it returns False.

        The only loop over httpx's async generators. Only the read may be cancelled: cancellation there unwinds the
        generators and closes the connection; anywhere else it would leave them unfinished. So `take` runs shielded
        (it may wait on a bounded channel whose reader closes its end when it is cancelled). After an error from
        `take` the next read is cancelled; after False, once `LINGER_S` has passed.
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
                        scope.cancel("the rest of the answer is not needed")
                    if not wanted:
                        scope.deadline = trio.current_time() + LINGER_S
            except httpx.HTTPError as error:
                if wanted:
                    raise _service_error(error, self._call, near=False) from None
        if failure is not None:
            raise failure

    async def read(self, limit: int, *, cut: bool = False) -> bytes:
        """Read the whole body. More than `limit` bytes raise `BadAnswer`, or are cut off with `cut`."""
        pieces: list[bytes] = []
        size = 0

        async def take(piece: bytes) -> bool:
            nonlocal size
            await trio.lowlevel.checkpoint()  # lets other tasks run between the pieces of a long answer
            size += len(piece)
            pieces.append(piece)
            if size <= limit:
                return True
            if not cut:
                raise bad_answer(f"the answer is over {limit:,} bytes long", self.where, status=self.status)
            raise _EnoughRead

        # The read timeout applies to each piece. A server that sends single bytes would never exceed it, so the whole
        # body has the same limit.
        ends = min(trio.current_time() + self._call.read_s, self._deadline)
        with trio.move_on_at(ends) as scope, suppress(_EnoughRead):
            await self.drain(take)
        if scope.cancelled_caught:
            raise _too_slow(f"the answer did not end within {self._call.read_s:g} s", self._call)
        return b"".join(pieces)[:limit]


class _EnoughRead(Exception):
    """`read` has as many bytes as its limit allows."""


class _Body(httpx.AsyncByteStream):
    """A request's body. httpx's own class uses an async generator, which a cancelled send would leave unfinished."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(pieces(self._content))


class _GrowingBody(httpx.AsyncByteStream):
    """A request's body that is still being made."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._upload


class _Pieces:
    """An async iterator over `parts` that is not a generator."""

    def __init__(self, parts: list[bytes]) -> None:
        self._left = iter(parts)

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        for piece in self._left:
            return piece
        raise StopAsyncIteration


class Http:
    """The HTTP client. TLS certificates are verified; proxies and certificates come from the environment.

    Raises `MissingExtra` when the proxy needs a package that is not installed, and `Unreachable` when the environment
    names a proxy or certificates that can't be used.
    """

    def __init__(self, observe: Observe | None = None) -> None:
        self._observe = observe
        self._routes = _routes()
        self._client = httpx.AsyncClient(
            transport=self._routes,
            follow_redirects=False,
            # Nothing fetched in a turn compresses well, and a decoder could fail between httpx's generators.
            headers={"accept-encoding": "identity"},
        )
        pools = list(self._pools())
        for pool in pools:
            pool._network_backend = Backend()
        self._connections = Connections(pools)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _pools(self) -> Iterator[httpcore.AsyncConnectionPool]:
        # httpx has no public way to reach its pools or to set a backend. The pools' own interface, used here, is public
        # in httpcore.
        for transport in self._routes.transports:
            yield transport._pool

    @asynccontextmanager
    async def exchange(self, call: Call, attempt: Attempt) -> AsyncIterator[Answer]:
        """Send a request and wait for the answer's head. The body may be read inside. Raises `ServiceError`s."""
        with watching(self._observe, _observed(call, attempt)) as sight:
            response = await self._send(call, attempt)
            self._connections.note()
            sight.answered(response.status_code, connected=attempt.connected)
            try:
                encoding = response.headers.get("content-encoding", "identity")
                if encoding != "identity":
                    encoding = clean(encoding, 40, hide=call.where.hide)
                    what = f"the answer is compressed ({encoding}), although no compression was requested"
                    raise bad_answer(what, call.where)
                yield Answer(response, call, attempt.deadline, sight)
            finally:
                with trio.CancelScope(shield=True):
                    await response.aclose()
                self._connections.note()

    async def _send(self, call: Call, attempt: Attempt) -> httpx.Response:
        await self._connections.drop_suspended()
        # httpx's timeouts apply to a single read or write. A head that arrives byte by byte needs a limit of its own.
        longest_s = call.connect_s + HEAD_STEPS * call.read_s
        token = waiting.set(attempt)
        with trio.move_on_at(min(trio.current_time() + longest_s, attempt.deadline)) as scope:
            if call.upload is not None:
                call.upload.limit(scope, longest_s)
            try:
                return await self._client.send(self._request(call, attempt), stream=True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failed = error
            finally:
                waiting.reset(token)
            near = isinstance(failed, httpx.ConnectError | httpx.ConnectTimeout) and await leads_near(call.where.url)
            raise _service_error(failed, call, near=near)
        raise _too_slow("the server did not begin to answer in time", call)

    def _request(self, call: Call, attempt: Attempt) -> httpx.Request:
        content = call.content or b""
        request = self._client.build_request(
            call.method,
            call.url,
            headers={**call.headers, **_framing(call)},
            params=call.params,
            timeout=httpx.Timeout(call.read_s, connect=call.connect_s, pool=call.connect_s),
            extensions={"trace": attempt.trace},
        )
        if content:
            request.stream = _Body(content)
        elif call.upload is not None:
            request.stream = _GrowingBody(call.upload)
        return request

    def idle(self, url: str) -> int:
        """The number of open and unused connections to the server of `url`."""
        return self._connections.idle(_origin(url))

    async def to_ask(self, url: str) -> int:
        """How many connections to the server of `url` to ask at once for a sign of life, since they were long idle."""
        await self._connections.drop_suspended()
        return self._connections.to_ask(_origin(url))

    async def drop(self, url: str) -> None:
        """Close the unused connections to the server of `url`."""
        with suppress(httpx.InvalidURL):  # there are none
            await self._connections.drop(_origin(url))


def _framing(call: Call) -> dict[str, str]:
    """The header that says where the body ends."""
    if call.upload is not None:
        return {"Transfer-Encoding": "chunked"}
    return {"Content-Length": str(len(call.content))} if call.content else {}


def _origin(url: str) -> httpcore.Origin:
    raw = httpx.URL(url)
    return httpcore.URL(scheme=raw.raw_scheme, host=raw.raw_host, port=raw.port, target=raw.raw_path).origin


def _observed(call: Call, attempt: Attempt) -> Exchange:
    return Exchange(
        method=call.method,
        url=call.where.url,
        model=call.where.model,
        attempt=attempt.number,
        sent_bytes=len(call.content or b""),
    )


def _routes() -> Routes:
    try:
        return Routes(Proxies.of(getproxies()))
    except ImportError as error:
        raise errors.MissingExtra(
            f"the proxy in the environment needs a package: {error}", remedy="Run: pip install 'httpx[socks]'"
        ) from None
    except (ValueError, OSError, httpx.InvalidURL) as error:
        why = clean(str(error), hide=Redaction(secrets_of("", os.environ)))
        raise errors.Unreachable(
            f"the proxy or the certificates that the environment names can't be used: {why}",
            place="HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR",
            remedy="Correct or unset these variables",
        ) from None


def _too_slow(what: str, call: Call) -> errors.TimedOut:
    """The error of a server that took too long over `what`."""
    return errors.TimedOut(what, place=str(call.where), remedy=_SLOW)


_SLOW = "Try again; if the error persists, raise read_timeout_s or choose a faster model"


def _service_error(error: Exception, call: Call, *, near: bool) -> errors.ServiceError:
    """The `ServiceError` for an error of httpx. Not chained: httpx's errors hold the request, and with it the key.

    `near`: the connection was refused by this machine or one of the local network."""
    place = str(call.where)
    message = clean(str(error), hide=call.where.hide)
    match error:
        case httpx.ConnectTimeout():
            what = f"no connection within {call.connect_s:g} s"
            if near:
                return errors.NotRunning(what, place=place, remedy=start_it(call.where))
            remedy = f"Check the network, or raise connect_timeout_s{without_network(call.where)}"
        case httpx.PoolTimeout():
            what, remedy = "every connection is in use", "Lower conversation.overlap"
        case httpx.ReadTimeout():
            return errors.TimedOut(f"the server was silent for {call.read_s:g} s", place=place, remedy=_SLOW)
        case httpx.WriteTimeout():
            return errors.TimedOut(f"the server accepted no data for {call.read_s:g} s", place=place, remedy=_SLOW)
        case httpx.ProxyError() if message.startswith("407"):
            return from_status(407, {}, b"", call.where)
        case httpx.ProxyError():
            what, remedy = f"the proxy refused: {message}", "Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            what, remedy = f"not the address of a server: {message}", "Correct base_url"
        case httpx.ConnectError() if (failed := tls_failure(error)) is not None:
            what, remedy = failed
        case httpx.ConnectError():
            what = f"no connection: {', '.join(dict.fromkeys(reasons(error))) or message}"
            if near:
                return errors.NotRunning(what, place=place, remedy=start_it(call.where))
            remedy = f"Check the network and base_url{without_network(call.where)}"
        case _:
            what, remedy = f"the connection broke off: {message or type(error).__name__}", broke_off(call.where)
    return errors.Unreachable(what, place=place, remedy=remedy)
