"""TLS, proxies and warm connections, as configured by environment variables."""

from __future__ import annotations

import base64
import ssl
import sys
from pathlib import Path

import pytest
import trio

from testbed import server as loopback
from testbed.http_parts import endpoint, open_bench, utterance
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.middlebox import open_middlebox
from testbed.server import Fault, Script, open_server
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Retry
from voiceloop.errors import MissingExtra, Unreachable
from voiceloop.net.service import Request

PEM = Path(loopback.__file__).parent / "tls" / "localhost.pem"
ASK = Request("/audio/speech", json={"model": "a/b", "input": "hi", "voice": "v"}, model="a/b")
CLIP = base64.b64encode(wav_bytes(utterance().pcm, 16_000)).decode()
HEAR = Request("/audio/transcriptions", json={"model": "a/b", "input_audio": {"data": CLIP, "format": "wav"}})
LIST = Request("/models", method="GET")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy and no certificates."""
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


async def test_a_self_signed_certificate_is_refused(tls: ssl.SSLContext) -> None:
    async with open_server(tls=tls) as server:
        settings = endpoint(server, retry=Retry(max_elapsed_s=0))
        async with open_bench(settings) as bench:
            with pytest.raises(Unreachable) as caught:
                await bench.clients.endpoint(settings).call(LIST)
            assert "the server's certificate is not trusted" in str(caught.value)
            assert "set SSL_CERT_FILE" in str(caught.value)
        assert server.requests == []


async def test_a_server_without_tls_has_another_error_than_an_untrusted_one() -> None:
    async with open_server() as server:
        settings = endpoint(server, base_url=server.url.replace("http://", "https://"), retry=Retry(max_elapsed_s=0))
        async with open_bench(settings) as bench:
            with pytest.raises(
                Unreachable, match=r"the TLS handshake failed: .*Check base_url: is it an http:// address\?"
            ):
                await bench.clients.endpoint(settings).call(LIST)


async def test_a_private_certificate_authority_is_read_from_the_environment(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    with nothing_unclosed():
        async with open_server(tls=tls) as server, open_bench(endpoint(server)) as bench:
            service = bench.clients.endpoint(endpoint(server))
            await service.warm()
            await service.call(LIST)
            assert server.connected == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops packets by a socket's filter")
async def test_an_encrypted_connection_that_nobody_acknowledges_is_replaced_and_one_that_is_slow_is_not(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    slow = Fault(head_after_s=1.3)  # the connection is looked at meanwhile
    with nothing_unclosed():
        async with open_server(Script(faults=[slow, slow]), tls=tls) as server, open_middlebox(server.port) as box:
            settings = endpoint(server, base_url=box.url.replace("http://", "https://"))
            async with open_bench(settings) as bench:
                service = bench.clients.endpoint(settings)
                await service.call(HEAR)
                assert bench.named("net.retry") == []
                box.drop()
                with trio.fail_after(30):
                    await service.call(HEAR)
                (again,) = bench.named("net.retry")
                assert "acknowledged for 2 s" in str(again["error"])
                assert len(server.posts()) == len(box.paths) == 2


async def test_a_handshake_cancelled_at_any_point_leaves_nothing_behind(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))
    with nothing_unclosed():
        async with open_server(tls=tls) as server:
            for steps in range(1, 60, 2):
                # A new client each time, so that its first request makes a TLS handshake.
                async with open_bench(endpoint(server)) as bench:
                    service = bench.clients.endpoint(endpoint(server))
                    await bench.clients.pool.http()
                    with cancelled_at(steps):
                        await service.call(LIST)
            await server.until(lambda: not server.connections)


async def test_a_proxy_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        settings = endpoint(proxy, base_url="http://far.example/api/v1", retry=Retry(max_elapsed_s=0))
        async with open_bench(settings) as bench:
            service = bench.clients.endpoint(settings)
            await service.warm()
            await service.call(LIST)
        assert proxy.requests[-1].headers["host"] == "far.example"
        assert proxy.connected == 1


async def test_a_proxy_that_cannot_be_used_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(MissingExtra, match=r"pip install 'httpx\[socks\]'"):
            await bench.clients.endpoint(endpoint(server)).call(LIST)
    monkeypatch.setenv("ALL_PROXY", "carrier-pigeon://127.0.0.1")
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(Unreachable, match="the proxy or the certificates that the environment names"):
            await bench.clients.endpoint(endpoint(server)).call(LIST)


async def test_a_missing_certificate_file_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(Unreachable, match="SSL_CERT_FILE"):
            await bench.clients.endpoint(endpoint(server)).call(LIST)


async def test_warming_opens_one_connection_even_when_asked_twice() -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        service = bench.clients.endpoint(endpoint(server))
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(service.warm)
        assert server.connected == 1
        await service.call(LIST)
        assert server.connected == 1


@pytest.mark.parametrize("variable", ["ALL_PROXY", "SSL_CERT_FILE"])
async def test_warming_never_fails(variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(variable, "nonsense://x" if variable == "ALL_PROXY" else str(tmp_path / "none.pem"))
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        await bench.clients.endpoint(endpoint(server)).warm()
