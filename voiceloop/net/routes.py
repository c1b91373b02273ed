"""The routes of the HTTP client: directly to a server, or through the proxy that the environment names for it."""

from __future__ import annotations

import httpx  # noqa: ASYNC127 - httpx2 is its successor; moving to it is a separate change

from voiceloop.net.proxies import Proxies

KEEPALIVE_S = 600.0
"""How long an idle connection is kept. httpx's default of 5 s would end between two turns of a conversation. If the
server closes the connection earlier, that is noticed before the next request."""
MAX_CONNECTIONS = 32
"""Enough for transcription, chat and prefetched speech of several turns: far more than one speaker needs."""


class Routes(httpx.AsyncBaseTransport):
    """Sends each request directly or through a proxy. httpx's own choice fails at some entries of NO_PROXY, and knows
    no networks. Making it raises ImportError when a proxy needs a package that is not installed, and ValueError,
    OSError or `httpx.InvalidURL` when a proxy or the certificates can't be used."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._direct = _transport(None)
        self._through = {address: _transport(address) for address in set(proxies.by_scheme.values())}

    @property
    def transports(self) -> tuple[httpx.AsyncHTTPTransport, ...]:
        return (self._direct, *self._through.values())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        address = self._proxies.address(url.scheme, url.raw_host.decode("ascii"), url.port)
        transport = self._direct if address is None else self._through[address]
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self.transports:
            await transport.aclose()


def _transport(proxy: str | None) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=MAX_CONNECTIONS,
        keepalive_expiry=KEEPALIVE_S,
    )
    return httpx.AsyncHTTPTransport(limits=limits, proxy=proxy)
