"""The connection pool: connections are ready before they are needed, as many as the services need."""

from __future__ import annotations

import pytest
import trio

from testbed.http_parts import endpoint, open_bench
from testbed.server import Server, open_server
from voiceloop.net import pool
from voiceloop.net.http import Http
from voiceloop.net.wanted import Wanted
from voiceloop.net.watch import Observe


def speaking(server: Server) -> Wanted:
    return Wanted("speak", "speech", endpoint(server), "openrouter", ("a/b",), "alloy")


def answering(server: Server) -> Wanted:
    return Wanted("handler", "chat", endpoint(server), "openrouter", ("a/b",))


async def test_a_server_that_two_parts_ask_is_kept_warm_with_two_connections() -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        service = bench.clients.service(answering(server))
        bench.clients.service(speaking(server))
        await service.warm()
        assert server.connected == 2


async def test_a_server_that_one_part_asks_is_kept_warm_with_one_connection() -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        await bench.clients.service(answering(server)).warm()
        assert server.connected == 1


async def test_the_http_library_is_loaded_when_a_service_is_opened_before_any_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def load(observe: Observe | None) -> Http:
        token.run_sync_soon(loaded.set)
        return Http(observe)

    monkeypatch.setattr(pool, "_load", load)
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        assert not loaded.is_set()
        bench.clients.service(answering(server))
        with trio.fail_after(60):
            await loaded.wait()
        assert server.requests == []
