"""HTTP client against a misbehaving server on loopback: errors, retries, deadlines, and no connection left open."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from testbed.http_parts import endpoint, open_bench, utterance
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.server import Fault, Script, open_server
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Endpoint, Retry
from voiceloop.errors import (
    BadAnswer,
    ConfigError,
    NotRunning,
    ServerFailed,
    ServiceError,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from voiceloop.net.failures import Where, broke_off
from voiceloop.net.retry import NOT_RUNNING_S
from voiceloop.net.service import Request

ONCE = Retry(max_elapsed_s=0)


@pytest.fixture
def ask() -> Request:
    clip = base64.b64encode(wav_bytes(utterance().pcm, 16_000)).decode()
    body = {"model": "a/b", "input_audio": {"data": clip, "format": "wav"}}
    return Request("/audio/transcriptions", json=body, model="a/b")


async def _outcome(fault: Fault, ask: Request, **changes: object) -> tuple[ServiceError, int]:
    """The error that a request ends in when every attempt meets `fault`, and the attempts."""
    with nothing_unclosed():
        async with open_server(Script(fault=lambda _path, _number: fault)) as server:
            settings = endpoint(server, **changes)
            async with open_bench(settings) as bench:
                with pytest.raises(ServiceError) as caught, trio.fail_after(60):
                    await bench.clients.endpoint(settings).call(ask)
            await server.until(lambda: not server.connections)
            assert server.broken == []
            return caught.value, len(server.posts())


ODD_BODIES: list[tuple[Fault, str]] = [
    (Fault(body=b"<html>hello</html>"), "the answer is not JSON (application/json). Check base_url: is that"),
    (Fault(body=b'{"text": "hel'), "the answer is not JSON (application/json)"),
    (Fault(body=b""), "the answer is not JSON"),
    (Fault(body=b"\xff\xfe\x00"), "the answer is not JSON"),
    (Fault(body=b"[" * 100_000), "the answer is not JSON"),
    (Fault(body=b'["text"]'), "the answer is JSON, but not an object"),
    (Fault(body=b" " * 65_536, repeat=True), "the answer is over 16,777,216 bytes long"),
    (
        Fault(status=301, headers=(("Location", "https://new.example/api/v1"),)),
        "the server redirects (HTTP 301) to https://new.example/api/v1; redirects are not followed",
    ),
    (
        Fault(headers=(("Content-Encoding", "gzip"),), body=b"not gzip"),
        "the answer is compressed (gzip), although no compression was requested",
    ),
]


@pytest.mark.parametrize(("fault", "message"), ODD_BODIES, ids=[row[1][:40] for row in ODD_BODIES])
async def test_a_malformed_success_is_an_error_and_is_not_retried(fault: Fault, message: str, ask: Request) -> None:
    error, attempts = await _outcome(fault, ask)
    assert type(error) is BadAnswer
    assert message in str(error)
    assert attempts == 1


async def test_an_error_inside_a_success_is_that_error(ask: Request) -> None:
    body = b'{"error": {"code": 402, "message": "no credits left"}}'
    error, attempts = await _outcome(Fault(body=body), ask)
    assert "the account is out of credits (HTTP 200, error 402); the server said: no credits left" in str(error)
    assert attempts == 1


QUICK = {"read_timeout_s": 1.0, "retry": ONCE}
"""So long that a busy machine's server, too, has sent what it sends at all."""
STALLS: list[tuple[Fault, type[ServiceError], str]] = [
    (Fault(hang="head"), TimedOut, "the server was silent for 1 s"),
    (Fault(hang="body"), TimedOut, "the answer did not end within 1 s"),
    (Fault(body=b" " * 1000, piece=1, piece_every_s=0.02), TimedOut, "the answer did not end within 1 s"),
    (Fault(drip_head=True, piece_every_s=0.02), TimedOut, "the server did not begin to answer in time"),
    (Fault(drop=True), Unreachable, "the connection broke off: Server disconnected without sending a response"),
    (Fault(cut_after=5), Unreachable, "the connection broke off: peer closed connection without sending complete"),
]


@pytest.mark.parametrize(("fault", "kind", "message"), STALLS, ids=[str(row[0])[6:40] for row in STALLS])
async def test_a_server_that_stalls_or_breaks_is_given_up(
    fault: Fault, kind: type[ServiceError], message: str, ask: Request
) -> None:
    changes = QUICK | {"connect_timeout_s": 1.0} if fault.drip_head else QUICK
    error, attempts = await _outcome(fault, ask, **changes)
    assert type(error) is kind
    assert message in str(error)
    assert attempts == 1


async def test_a_request_that_fails_once_succeeds(ask: Request) -> None:
    faults = [Fault(drop=True), Fault(status=503), Fault(cut_after=3), Fault(status=429), None]
    async with open_server(Script(faults=list(faults))) as server, open_bench(endpoint(server)) as bench:
        answer = await bench.clients.endpoint(endpoint(server)).call(ask)
        assert answer.value["text"] == "hello world"
        assert answer.generation_id == "gen-stt-4"
        assert [event["attempt"] for event in bench.named("net.retry")] == [1, 2, 3, 4]


async def test_a_notice_is_published_when_a_server_keeps_failing_and_when_it_answers_again(ask: Request) -> None:
    faults = [Fault(drop=True), Fault(drop=True), Fault(status=503), None, Fault(drop=True), None]
    async with open_server(Script(faults=list(faults))) as server, open_bench(endpoint(server)) as bench:
        service = bench.clients.endpoint(endpoint(server))
        await service.call(ask)
        failing, answering = (str(event["text"]) for event in bench.named("notice"))
        assert "/audio/transcriptions (a/b): the connection broke off" in failing
        assert ": retrying for up to 10 s." in failing
        assert answering == f"{service.shown_url} answers again."
        await service.call(ask)
        assert len(bench.named("notice")) == 2, "a single failure publishes no notice"


async def test_retry_after_is_respected(ask: Request) -> None:
    wait = Fault(status=429, headers=(("Retry-After", "0.4"),))
    async with open_server(Script(faults=[wait])) as server, open_bench(endpoint(server)) as bench:
        began = trio.current_time()
        await bench.clients.endpoint(endpoint(server)).call(ask)
        assert trio.current_time() - began >= 0.4


async def test_the_attempts_end_inside_the_total_deadline(ask: Request) -> None:
    changes = {"read_timeout_s": 1.0, "retry": {"initial_ms": 1, "max_interval_ms": 1, "max_elapsed_s": 1.8}}
    await _outcome(Fault(drop=True), ask, retry=ONCE)  # what is imported at the first request is there now
    began = trio.current_time()
    error, attempts = await _outcome(Fault(hang="head"), ask, **changes)
    assert type(error) is TimedOut
    assert trio.current_time() - began < 10.0
    assert attempts == 2


async def test_retries_of_connection_errors_can_be_turned_off(ask: Request) -> None:
    _, attempts = await _outcome(Fault(drop=True), ask, retry=Retry(connection_errors=False))
    assert attempts == 1


async def test_a_refused_connection_is_reported() -> None:
    async with open_server() as server:
        settings = endpoint(server, retry=ONCE)
    async with open_bench(settings) as bench:
        service = bench.clients.endpoint(settings)
        await service.warm()
        with pytest.raises(Unreachable) as caught:
            await service.call(Request("/audio/speech", json={}))
    assert str(caught.value).endswith(
        "/audio/speech: no connection: Connection refused. Start the server, or correct base_url. To go on without it: "
        "voiceloop run --config offline"
    )


async def test_a_server_of_this_machine_that_refuses_is_given_up_within_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_server() as server:
        settings = endpoint(server, retry=Retry())
    async with open_bench(settings) as bench:
        service = bench.clients.endpoint(settings)
        await bench.clients.pool.http()  # loaded in a thread, which virtual time doesn't wait for
        began = trio.current_time()
        with pytest.raises(NotRunning, match=rf"{re.escape(server.url)}/audio/speech.*tried \d times in 0\.\d s"):
            await service.call(Request("/audio/speech", json={}))
        assert trio.current_time() - began < 1


@pytest.mark.parametrize("host", ["127.1", "localhost.", "0x7f.0.0.1"])
async def test_a_server_whose_name_leads_to_this_machine_is_given_up_soon_too(host: str) -> None:
    async with open_server() as server:
        base_url = server.url.replace("127.0.0.1", host)
        assert base_url != server.url
        settings = endpoint(server, retry=Retry(), base_url=base_url)
    async with open_bench(settings) as bench:
        service = bench.clients.endpoint(settings)
        began = trio.current_time()
        with pytest.raises(NotRunning, match="Start the server, or correct base_url"):
            await service.call(Request("/audio/speech", json={}))
        assert trio.current_time() - began < 6  # others are tried again for 20 s


async def test_a_server_of_ones_own_that_breaks_off_says_why_itself(ask: Request) -> None:
    async with open_server(Script(faults=[Fault(drop=True)])) as server:
        settings = endpoint(server, retry=ONCE)
        async with open_bench(settings) as bench:
            with pytest.raises(Unreachable, match="See what the server says in its own terminal or log"):
                await bench.clients.endpoint(settings).call(ask)
    assert broke_off(Where("https://openrouter.ai/api/v1")) == "Check the network"


async def test_a_server_of_this_machine_that_is_still_loading_is_waited_for(ask: Request) -> None:
    async with open_server(Script(faults=[Fault(status=503)] * 8)) as server:
        settings = endpoint(server, retry=Retry(initial_ms=300, exponent=1))
        async with open_bench(settings) as bench:
            began = trio.current_time()
            answer = await bench.clients.endpoint(settings).call(ask)
        assert answer.value["text"] == "hello world"
        assert trio.current_time() - began > NOT_RUNNING_S


async def test_an_unknown_host_name_is_reported() -> None:
    settings = Endpoint(base_url="http://no.such.host.invalid/v1", api_key_env="", retry=ONCE)
    async with open_bench(settings) as bench:
        with pytest.raises(Unreachable, match=r"no\.such\.host\.invalid/v1/x: no connection: "):
            await bench.clients.endpoint(settings).call(Request("/x", json={}))


async def test_a_missing_key_is_reported_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VOICELOOP_TEST_KEY")
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(Unauthorized, match="VOICELOOP_TEST_KEY is not set"):
            bench.clients.endpoint(endpoint(server))
        assert server.connected == 0


async def test_an_invalid_address_is_an_error_in_the_config() -> None:
    settings = Endpoint(api_key_env="").model_copy(update={"base_url": "https://"})
    async with open_bench(settings) as bench:
        with pytest.raises(
            ConfigError, match=r"openrouter\.base_url: is not the address of a server\. Write it in full"
        ):
            bench.clients.endpoint(settings)


async def test_a_password_in_the_address_is_not_shown(ask: Request) -> None:
    script = Script(key=None, fault=lambda _path, _number: Fault(status=500))
    async with open_server(script) as server:
        url = server.url.replace("http://", "http://me:hunter2@")
        settings = Endpoint(base_url=url, api_key_env="", retry=ONCE)
        async with open_bench(settings) as bench:
            service = bench.clients.endpoint(settings)
            with pytest.raises(ServerFailed) as caught:
                await service.call(ask)
            assert "hunter2" not in f"{caught.value!r} {service!r}"
        assert server.posts()[0].headers["authorization"].startswith("Basic ")


async def test_one_connection_serves_a_conversation(ask: Request) -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        service = bench.clients.endpoint(endpoint(server))
        await service.warm()
        for _ in range(5):
            await service.call(ask)
            await service.warm()
        assert server.connected == 1
        assert [request.method for request in server.requests] == ["HEAD", *["POST"] * 5]


async def test_an_idle_connection_that_the_server_closed_costs_no_wait(ask: Request) -> None:
    slow = {"initial_ms": 60_000, "max_interval_ms": 60_000, "max_elapsed_s": 300}
    async with open_server() as server, open_bench(endpoint(server, retry=slow)) as bench:
        service = bench.clients.endpoint(endpoint(server, retry=slow))
        await service.call(ask)
        # The server ends the connection while the next request is on its way to it.
        server.script.faults.append(Fault(drop=True))
        with trio.fail_after(30):
            await service.call(ask)
        assert [event["wait_s"] for event in bench.named("net.retry")] == [0]


async def test_a_request_that_is_cancelled_is_closed_and_the_next_connection_is_warmed(ask: Request) -> None:
    script = Script(faults=[Fault(hang="head")])
    with nothing_unclosed():
        async with open_server(script) as server, open_bench(endpoint(server)) as bench:
            service = bench.clients.endpoint(endpoint(server))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.call, ask)
                await server.until(lambda: bool(server.posts()))
                nursery.cancel_scope.cancel("barge-in")
            with trio.fail_after(30):
                await server.posts()[0].gone.wait()
                await server.until(lambda: [r.method for r in server.requests if r.done.is_set()][-1:] == ["HEAD"])
            await service.call(ask)
            assert server.connected == 2


async def test_a_request_cancelled_at_any_point_leaves_nothing_behind(ask: Request) -> None:
    with nothing_unclosed():
        async with open_server() as server, open_bench(endpoint(server)) as bench:
            service = bench.clients.endpoint(endpoint(server))
            finished = False
            steps = 0
            while not finished:
                steps += 1
                with cancelled_at(steps) as point:
                    await service.call(ask)
                    finished = True
                del point
            assert steps > 10
            await service.call(ask)
        assert server.broken == []


def test_an_offline_loop_never_loads_the_http_library() -> None:
    code = (
        "import sys, voiceloop.app, voiceloop.net.client, voiceloop.transcribe.openrouter, voiceloop.speak.openrouter\n"
        "import voiceloop.handlers.chat\n"
        "print([name for name in ('httpx', 'httpcore', 'h11', 'ssl', 'certifi') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() in {"[]", "['ssl']"}  # trio itself imports ssl


def test_only_the_http_client_imports_httpx() -> None:
    root = Path(__file__).parents[2] / "voiceloop"
    found = {file.name for file in root.rglob("*.py") if "import httpx" in file.read_text()}
    assert found == {"http.py", "routes.py"}
    users = [file.name for file in root.rglob("*.py") if "net.routes import" in file.read_text()]
    assert users == ["http.py"]
