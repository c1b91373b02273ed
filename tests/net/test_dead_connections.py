"""Connections that died without a word, behind a middlebox: what is asked next is answered soon, and is asked once.

the pool    idle idle          HEAD HEAD     closed, new ones          POST
the path              x dies   |---- 1 s ----|
the user                       begins to speak                         has spoken
"""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from testbed.http_parts import Bench, endpoint, open_bench, utterance
from testbed.leaks import nothing_unclosed
from testbed.middlebox import Middlebox, open_middlebox
from testbed.server import Fault, Script, Server, open_server
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Limits, Retry
from voiceloop.errors import BadAnswer
from voiceloop.net import system, trust
from voiceloop.net.attempt import Attempt
from voiceloop.net.service import Request, Service
from voiceloop.net.wanted import Wanted

SLOW_RETRY = Retry(initial_ms=60_000, max_interval_ms=60_000, max_elapsed_s=600)
"""A test in which such a retry is awaited fails by its own time limit."""
SPEECH = Request("/audio/speech", json={"model": "a/b", "input": "hi", "voice": "v", "response_format": "pcm"})
CLIP = base64.b64encode(wav_bytes(utterance().pcm, 16_000)).decode()
EACH_KIND = (
    Request("/audio/transcriptions", json={"model": "a/b", "input_audio": {"data": CLIP, "format": "wav"}}),
    Request(
        "/chat/completions", json={"model": "a/b", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    ),
    SPEECH,
)
SLOW_S = 6.0
dropping = pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops packets by a socket's filter")


@dataclass
class Opened:
    server: Server
    box: Middlebox
    bench: Bench
    service: Service

    async def ask(self) -> None:
        """Post something, and read the answer."""
        await self.post(SPEECH)

    async def post(self, request: Request) -> None:
        async def attempt(tried: Attempt) -> None:
            async with self.service.exchange(request, tried) as answer:
                await answer.read(10_000_000)

        with trio.fail_after(30):
            await self.service.retry(request, attempt)

    async def hold_two(self) -> None:
        """Have two idle connections."""
        await self.service.warm()
        assert len(self.box.paths) == 2
        await self.server.until(lambda: all(request.done.is_set() for request in self.server.requests))

    @property
    def heads(self) -> int:
        return len([request for request in self.server.requests if request.method == "HEAD"])

    @property
    def posts(self) -> int:
        return len(self.server.posts())


@asynccontextmanager
async def opened(script: Script | None = None, **changes: object) -> AsyncIterator[Opened]:
    with nothing_unclosed():
        async with open_server(script) as server, open_middlebox(server.port) as box:
            settings = endpoint(server, **({"retry": SLOW_RETRY, "base_url": box.url} | changes))
            async with open_bench(settings, limits=Limits()) as bench:
                service = bench.clients.service(Wanted("handler", "chat", settings, "openrouter", ("a/b",)))
                bench.clients.service(Wanted("speak", "speech", settings, "openrouter", ("a/b",), "alloy"))
                yield Opened(server, box, bench, service)
        assert server.broken == []


@pytest.fixture
def idle_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every idle connection counts as one that was idle for long."""
    monkeypatch.setattr(trust, "IDLE_S", 0.0)


# At an onset of voice


@pytest.mark.usefixtures("idle_for_long")
async def test_connections_that_give_no_sign_of_life_are_replaced_while_the_user_speaks() -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.swallow()
        with trio.fail_after(10):
            await at.service.warm()
            await at.box.until(lambda: all(path.closed for path in at.box.dead))
        assert [bytes(path.swallowed[:5]) for path in at.box.dead] == [b"HEAD ", b"HEAD "]
        assert len(at.box.paths) == 4
        await at.ask()
        assert len(at.box.paths) == 4, "a new one was ready"
        assert at.posts == 1
        assert at.bench.named("net.retry") == []


@pytest.mark.usefixtures("idle_for_long")
async def test_a_question_that_ends_before_the_proof_takes_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.swallow()
        monkeypatch.setattr("voiceloop.net.pool.PROOF_S", 600.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(at.service.warm)
            with trio.fail_after(10):
                await at.box.until(lambda: all(path.swallowed for path in at.box.dead))
            await at.ask()
            nursery.cancel_scope.cancel()
        assert not any(b"POST" in path.swallowed for path in at.box.dead)
        assert at.posts == 1


@pytest.mark.usefixtures("idle_for_long")
async def test_connections_that_live_are_asked_and_kept() -> None:
    async with opened() as at:
        await at.hold_two()
        await at.service.warm()
        assert at.heads == 4
        await at.ask()
        assert len(at.box.paths) == 2


async def test_connections_that_were_used_just_now_are_not_asked() -> None:
    async with opened() as at:
        await at.hold_two()
        await at.service.warm()
        assert at.heads == 2


# After a suspend


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the computer was suspended, a list of one."""
    suspended = [0.0]
    monkeypatch.setattr(system, "suspended_s", lambda: suspended[0])
    return suspended


async def test_after_a_suspend_no_connection_of_before_is_used(slept: list[float]) -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.swallow()
        slept[0] = 3600.0
        await at.ask()
        assert at.posts == 1
        assert not any(path.swallowed for path in at.box.dead)
        with trio.fail_after(10):
            await at.box.until(lambda: all(path.closed for path in at.box.dead))


async def test_after_a_suspend_new_connections_are_opened_when_the_user_speaks(slept: list[float]) -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.swallow()
        slept[0] = 3600.0
        await at.service.warm()
        assert len(at.box.paths) == 4
        assert not any(path.swallowed for path in at.box.dead)


async def test_what_was_asked_before_a_suspend_is_asked_again_after_it(slept: list[float]) -> None:
    async with opened(Script(faults=[Fault(hang="head")])) as at:
        await at.hold_two()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(at.ask)
            await at.server.until(lambda: at.posts == 1)
            at.box.swallow()
            slept[0] = 3600.0
        assert at.posts == 2
        assert "suspended" in str(at.bench.named("net.retry")[0]["error"])
        assert at.bench.named("net.retry")[0]["wait_s"] == 0


async def test_a_short_suspend_changes_nothing(slept: list[float]) -> None:
    async with opened() as at:
        await at.hold_two()
        slept[0] = 0.9
        await at.ask()
        assert len(at.box.paths) == 2


# While something is asked


@dropping
async def test_a_post_that_nobody_acknowledges_goes_out_again_after_2_s_on_a_new_connection() -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.drop()
        began = trio.current_time()
        await at.ask()
        assert trio.current_time() - began >= trust.UNACKNOWLEDGED_S
        assert at.posts == 1
        (again,) = at.bench.named("net.retry")
        assert "acknowledged for 2 s" in str(again["error"])
        assert len(at.box.paths) == 3, "neither was the other dead one tried"


@dropping
async def test_a_long_clip_that_nobody_takes_goes_out_again_after_2_s() -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.drop()
        await at.post(Request("/models", method="GET", body=("audio/wav", bytes(20_000_000))))
        (again,) = at.bench.named("net.retry")
        assert "acknowledged for 2 s" in str(again["error"])


@dropping
@pytest.mark.usefixtures("idle_for_long")
async def test_connections_that_drop_packets_are_replaced_while_the_user_speaks() -> None:
    async with opened() as at:
        await at.hold_two()
        at.box.drop()
        await at.service.warm()
        assert len(at.box.paths) == 4
        await at.ask()
        assert at.bench.named("net.retry") == []


async def test_a_path_that_dies_in_mid_question_is_given_up_after_the_ordinary_time() -> None:
    retry = Retry(initial_ms=1, max_interval_ms=1)
    async with opened(Script(faults=[Fault(hang="head")]), read_timeout_s=3.0, retry=retry) as at:
        await at.hold_two()
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            nursery.start_soon(at.ask)
            await at.server.until(lambda: at.posts == 1)
            at.box.swallow()
        assert trio.current_time() - began >= 3.0
        (again,) = at.bench.named("net.retry")
        assert "silent for 3 s" in str(again["error"])
        assert at.posts == 2
        assert not any(b"POST" in path.swallowed for path in at.box.dead), "the other dead one was tried"
        assert all(path.closed for path in at.box.dead)


async def test_a_living_server_that_is_slow_is_asked_once() -> None:
    async with opened(Script(transcribe_s=SLOW_S, first_token_s=SLOW_S, speak_s=SLOW_S)) as at:
        await at.hold_two()
        async with trio.open_nursery() as nursery:
            for request in EACH_KIND:
                nursery.start_soon(at.post, request)
        assert sorted(request.path for request in at.server.posts()) == [
            "/api/v1/audio/speech",
            "/api/v1/audio/transcriptions",
            "/api/v1/chat/completions",
        ]
        assert at.bench.named("net.retry") == []


async def test_a_server_that_takes_a_clip_slowly_lives() -> None:
    """Its system acknowledges what it has no room for."""
    read = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await read.wait()
            taken = 0
            while taken < size:
                taken += len(await stream.receive_some(1_000_000))
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    size = 50_000_000
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with open_server() as server, open_bench(endpoint(server)) as bench:
            settings = endpoint(server, base_url=url, retry=Retry(max_elapsed_s=0))
            service = bench.clients.endpoint(settings)
            nursery.start_soon(_set_after, read, trust.UNACKNOWLEDGED_S + 2)
            await service.call(Request("/x", body=("audio/wav", bytes(size))))
        nursery.cancel_scope.cancel()


async def test_an_answer_that_had_begun_is_no_stale_connection() -> None:
    """Whether the server closed it before it read the request is known only while nothing was heard."""
    begun = trio.Event()

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(65_536)
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            if await stream.receive_some(65_536) and not begun.is_set():
                begun.set()
                await stream.send_all(b"HTTP/1.1 2")

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with open_server() as server, open_bench(endpoint(server)) as bench:
            service = bench.clients.endpoint(endpoint(server, base_url=url))
            await service.warm()
            with pytest.raises(BadAnswer):
                await service.call(SPEECH)
            assert begun.is_set()
            waits = [float(str(event["wait_s"])) for event in bench.named("net.retry")]
            assert waits[0] > 0
        nursery.cancel_scope.cancel()


async def _set_after(event: trio.Event, seconds: float) -> None:
    await trio.sleep(seconds)
    event.set()
