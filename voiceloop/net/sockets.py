"""Below httpcore: a backend that closes a connection whose TLS handshake is cancelled, and where a name leads."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore
import trio

from voiceloop.config.address import host_of, is_near, is_near_ip

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
    """httpcore's backend for Trio, wrapped to fix one fault: when the TLS handshake is cancelled, httpcore leaves the
    socket open (1.0.9: it closes on `Exception`, and `trio.Cancelled` is a `BaseException`)."""

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

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

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
