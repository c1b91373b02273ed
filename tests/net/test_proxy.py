"""HTTP client through a real CONNECT proxy on loopback, to a TLS server with a private certificate authority."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from testbed import server as loopback
from testbed.http_parts import endpoint, open_bench, utterance
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.proxy import Proxy, open_proxy
from testbed.server import Fault, Script, Server, open_server
from tests.net.test_tls import plain_environment
from voiceloop.config.tables import Endpoint, Retry
from voiceloop.errors import BadGateway, Unauthorized, Unreachable
from voiceloop.net.service import Request
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.transcribe.realtime.transcriber import RealtimeTranscribeOptions, RealtimeTranscriber

__all__ = ["plain_environment"]

TLS = Path(loopback.__file__).parent / "tls"
FAR = "https://far.example/api/v1"
"""A host name that can't be resolved: only the proxy can connect to it."""
ONCE = Retry(max_elapsed_s=0)
LIST = Request("/models", method="GET")


@asynccontextmanager
async def far_server(script: Script | None = None, **proxy: Any) -> AsyncIterator[tuple[Server, Proxy]]:
    """A server with far.example's certificate, behind a proxy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "far.example.pem")
    async with open_server(script, tls=context) as server, open_proxy(Proxy(server.port, **proxy)) as opened:
        yield server, opened


def use(monkeypatch: pytest.MonkeyPatch, proxy: Proxy, *, user: str = "") -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{proxy.port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "authority.pem"))


def far(server: Server, **changes: Any) -> Endpoint:
    return endpoint(server, base_url=FAR, **changes)


async def test_a_turn_goes_through_a_tunnel_that_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    speaks = OpenRouterSpeakOptions(model="a/b", voice="v")
    with nothing_unclosed():
        async with far_server() as (server, proxy):
            use(monkeypatch, proxy)
            async with (
                open_bench(far(server)) as bench,
                OpenRouterTranscriber.open(OpenRouterTranscribeOptions(model="a/b"), bench.services) as transcriber,
                transcriber.transcription() as transcription,
            ):
                await transcriber.warm()
                assert (await transcription.finish(utterance())).text == "hello world"
                await transcriber.warm()
                async with (
                    OpenRouterSynthesizer.open(speaks, bench.services) as synthesizer,
                    synthesizer.speech("hello") as pieces,
                ):
                    assert [piece async for piece in pieces]
            assert proxy.asked == ["CONNECT far.example:443"]
            assert server.connected == 1
            assert server.broken == []
            # The proxy never sees the API key.
            assert "test-key" not in str(proxy.heads)
            await proxy.until_left()


async def test_a_request_cancelled_at_any_point_leaves_no_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with nothing_unclosed():
        async with far_server() as (server, proxy):
            use(monkeypatch, proxy)
            for steps in range(1, 60, 3):
                async with open_bench(far(server)) as bench:
                    service = bench.clients.endpoint(far(server))
                    await bench.clients.pool.http()
                    with cancelled_at(steps):
                        await service.call(LIST)
            await proxy.until_left()


async def test_a_proxy_that_wants_a_password_gets_it_and_it_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_server(password="Basic bWU6aHVudGVyMg==") as (server, proxy):
        use(monkeypatch, proxy, user="me:hunter2@")
        async with open_bench(far(server)) as bench:
            await bench.clients.endpoint(far(server)).call(LIST)
        use(monkeypatch, proxy, user="me:hunter3@")
        async with open_bench(far(server)) as bench:
            with pytest.raises(
                Unauthorized, match=r"the proxy requires a password.*\(HTTP 407\).*HTTPS_PROXY"
            ) as caught:
                await bench.clients.endpoint(far(server)).call(LIST)
        assert caught.value.attempts == 1
        assert "hunter" not in f"{caught.value!r}"
        assert server.requests[-1].headers.get("proxy-authorization") is None


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_server(refuse=502) as (server, proxy):
        use(monkeypatch, proxy)
        async with open_bench(far(server)) as bench:
            with pytest.raises(Unreachable, match=r"the proxy refused: 502 No\. Check HTTP_PROXY, HTTPS_PROXY"):
                await bench.clients.endpoint(far(server, retry=ONCE)).call(LIST)


async def test_a_proxy_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_server(hang=True) as (server, proxy):
        use(monkeypatch, proxy)
        settings = far(server, retry=ONCE, connect_timeout_s=0.3, read_timeout_s=0.3)
        with trio.fail_after(60):
            async with open_bench(settings) as bench:
                with pytest.raises(Exception, match=r"(for|within) 0\.3 s|in time"):
                    await bench.clients.endpoint(settings).call(LIST)


async def test_an_unknown_certificate_authority_is_not_trusted_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_server() as (server, proxy):
        use(monkeypatch, proxy)
        monkeypatch.delenv("SSL_CERT_FILE")
        async with open_bench(far(server)) as bench:
            with pytest.raises(Unreachable, match=r"the server's certificate is not trusted.*set SSL_CERT_FILE"):
                await bench.clients.endpoint(far(server, retry=ONCE)).call(LIST)
        assert server.requests == []


async def test_a_certificate_of_another_name_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_server() as (server, proxy):
        use(monkeypatch, proxy)
        settings = far(server, retry=ONCE).model_copy(update={"base_url": "https://other.example/api/v1"})
        async with open_bench(settings) as bench:
            with pytest.raises(Unreachable, match="the server's certificate is not trusted"):
                await bench.clients.endpoint(settings).call(LIST)


async def test_a_server_error_behind_a_proxy_is_reported_as_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with far_server(Script(faults=[Fault(status=502)])) as (server, proxy):
        use(monkeypatch, proxy)
        async with open_bench(far(server)) as bench:
            ask = Request("/audio/speech", json={"model": "a/b", "input": "hi", "voice": "v"}, model="a/b")
            with pytest.raises(BadGateway):
                await bench.clients.endpoint(far(server, retry=ONCE)).call(ask)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_servers_on_this_machine_need_no_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server() as server, open_proxy(Proxy(1)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        settings = endpoint(server, base_url=f"http://{host}:{server.port}/api/v1")
        async with open_bench(settings) as bench:
            await bench.clients.endpoint(settings).call(LIST)
        assert proxy.asked == []


async def test_a_websocket_goes_through_the_tunnel_too(monkeypatch: pytest.MonkeyPatch) -> None:
    options = RealtimeTranscribeOptions(base_url=FAR, model="m")
    with nothing_unclosed():
        async with far_server(Script(openai=True, key=None)) as (server, proxy):
            use(monkeypatch, proxy)
            async with (
                open_bench(Endpoint()) as bench,
                RealtimeTranscriber.open(options, bench.services) as transcriber,
                transcriber.transcription() as transcription,
            ):
                await transcription.feed(utterance(2.0).pcm)
                assert (await transcription.finish(utterance(2.0))).text == "hello world"
            assert len(server.sockets) == 1
            assert server.posts() == []
            assert len(proxy.asked) == 1
