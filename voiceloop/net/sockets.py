"""Below httpcore: connections that end when the other side's system is gone, and where a name leads."""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore
import trio

from voiceloop.config.address import host_of, is_near, is_near_ip
from voiceloop.net import system
from voiceloop.net.attempt import waiting
from voiceloop.net.trust import UNACKNOWLEDGED_S, Acknowledgements, Suspends
from voiceloop.nursery import private_nursery

LOOK_S = 0.5
"""How often a connection is looked at while its answer is awaited, or while it takes no more."""
SMALL_BYTES = 16_384
"""So much goes into the system's buffer at once, however dead the connection is."""
LOOKUP_S = 0.2
"""How long to look up whose address has refused a connection. The name was looked up just before."""


async def leads_near(url: str) -> bool:
    """Whether a server is this machine's or the local network's: by its name, or by the addresses it leads to."""
    if is_near(url):
        return True
    with trio.move_on_after(LOOKUP_S), suppress(OSError, UnicodeError):
        found = await trio.socket.getaddrinfo(host_of(url), None, type=trio.socket.SOCK_STREAM)
        return all(is_near_ip(str(address[0])) for *_, address in found)
    return False


class Backend(httpcore.AsyncNetworkBackend):
    """httpcore's backend for Trio. Its connections end when the other side's system is gone. It also mends a fault:
    when the TLS handshake is cancelled, httpcore leaves the socket open (1.0.9: it closes on `Exception`, and
    `trio.Cancelled` is a `BaseException`)."""

    def __init__(self) -> None:
        self._inner = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._acknowledgements = Acknowledgements()
        self._suspends = Suspends(system.suspended_s())
        self._lost = ""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        ends = trio.current_time() + (math.inf if timeout is None else timeout)
        while not self._lost:
            left = max(0.0, ends - trio.current_time())
            try:
                data = await self._inner.read(max_bytes, min(left, LOOK_S))
            except httpcore.ReadTimeout:
                if left <= LOOK_S:
                    raise
                self._look()
                continue
            self._suspends = Suspends(system.suspended_s())
            if data and (attempt := waiting.get()) is not None:
                attempt.heard = True
            return data
        raise httpcore.ReadError(self._lost)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        if (sent := system.sent(self._socket)) is not None:
            self._acknowledgements.sending(trio.current_time(), unacknowledged=sent.unacknowledged)
        if len(buffer) <= SMALL_BYTES and (sent is None or not sent.unacknowledged):
            await self._inner.write(buffer, timeout)
            return
        cancelled: BaseExceptionGroup[BaseException] | None = None
        try:
            async with private_nursery() as nursery:
                nursery.start_soon(self._watch, nursery.cancel_scope, name="watch what is sent")
                await self._inner.write(buffer, timeout)
        except BaseExceptionGroup as group:
            cancelled = group
        if cancelled is not None:  # both tasks were; callers expect a single `Cancelled`
            await trio.lowlevel.checkpoint_if_cancelled()
            raise cancelled
        if self._lost:
            raise httpcore.WriteError(self._lost)

    async def _watch(self, scope: trio.CancelScope) -> None:
        while not self._lost:
            await trio.sleep(LOOK_S)
            self._look()
        scope.cancel(self._lost)

    def _look(self) -> None:
        if self._suspends.again(system.suspended_s()):
            self._lost = "the computer was suspended meanwhile"
        sent = system.sent(self._socket)
        if sent is not None and self._acknowledgements.overdue(
            trio.current_time(), unacknowledged=sent.unacknowledged, last_s=sent.last_s
        ):
            self._lost = f"nothing that was sent has been acknowledged for {UNACKNOWLEDGED_S:g} s"
        if self._lost and (attempt := waiting.get()) is not None:
            attempt.lost = True

    @property
    def _socket(self) -> system.HasOptions:
        connection: system.HasOptions = self._inner.get_extra_info("socket")
        return connection

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            with trio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
