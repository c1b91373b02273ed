"""What speech has really cost: asked by the id of each request, and told in the session's last line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from testbed.http_parts import Bench, endpoint, open_bench
from testbed.server import Script, Server, open_server
from testbed.server.catalogue import row
from voiceloop.config.tables import Limits
from voiceloop.net import service
from voiceloop.net.true_costs import TrueCosts, parse_cost
from voiceloop.net.usage import cost
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.types import Usage

MODEL = "openai/gpt-4o-mini-tts"
LISTED = [row(MODEL, "speech", voices=["alloy"], prompt="0.0001")]


def page(number: int, usd: float) -> dict[str, Any]:
    return {f"/generation?id=gen-tts-{number}": {"data": {"total_cost": usd, "id": f"gen-tts-{number}"}}}


@asynccontextmanager
async def speaking(
    script: Script, monkeypatch: pytest.MonkeyPatch, **limits: Any
) -> AsyncIterator[tuple[Server, Bench]]:
    monkeypatch.setattr(service, "COST_AFTER_S", (0.0, 0.0))
    async with open_server(script) as server, open_bench(endpoint(server), limits=Limits(**limits)) as bench:
        await bench.clients.models(endpoint(server), "speech")
        yield server, bench


async def say(bench: Bench, *texts: str) -> Usage:
    total = Usage(requests=0)
    options = OpenRouterSpeakOptions(model=MODEL, voice="alloy")
    async with OpenRouterSynthesizer.open(options, bench.services) as synthesizer:
        for text in texts:
            async with synthesizer.speech(text) as pieces:
                async for piece in pieces:
                    total = total + piece.usage if piece.usage is not None else total
    return total


async def asked(server: Server, count: int) -> None:
    """Wait until so many costs were asked for and answered."""
    await server.until(
        lambda: sum(r.path.endswith("/generation") and r.done.is_set() for r in server.requests) >= count
    )
    await wait_all_tasks_blocked(0.01)


async def test_the_last_line_tells_the_true_cost_in_the_place_of_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(catalogue=LISTED, pages=page(0, 0.002) | page(1, 0.003))
    async with speaking(script, monkeypatch) as (server, bench):
        usage = await say(bench, "One.", "Two.")
        assert cost(usage) == ", about 0.000800 USD by listed prices"
        await asked(server, 2)
        publish = bench.clients.pool.costs.told(bench.services.publish)
        publish("stopped", usage=usage, echoes=0)
        publish("turn.done", usage=usage)
        (stopped,), (turn,) = bench.named("stopped"), bench.named("turn.done")
        assert isinstance(stopped["usage"], Usage)
        assert cost(stopped["usage"]) == ", 0.005000 USD"
        assert (stopped["usage"].requests, stopped["usage"].characters, stopped["echoes"]) == (2, 8, 0)
        assert turn["usage"] == usage


async def test_what_is_not_known_yet_stays_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(Script(catalogue=LISTED, pages=page(0, 0.002)), monkeypatch) as (server, bench):
        usage = await say(bench, "One.", "Two!")
        await asked(server, 3)
        assert cost(bench.clients.pool.costs.of(usage)) == ", 0.002000 USD and about 0.000400 USD by listed prices"


async def test_a_server_that_never_knows_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with speaking(Script(catalogue=LISTED), monkeypatch) as (server, bench):
        options = OpenRouterSpeakOptions(model=MODEL, voice="alloy")
        async with OpenRouterSynthesizer.open(options, bench.services) as synthesizer:
            for _ in range(2):
                async with synthesizer.speech("One.") as pieces:
                    async for _piece in pieces:
                        pass
                await asked(server, 2)
        assert sum(request.path.endswith("/generation") for request in server.requests) == 2
        assert bench.named("net.retry") == []


async def test_the_limit_of_a_session_counts_the_true_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(catalogue=LISTED, pages=page(0, 0.5))
    async with speaking(script, monkeypatch, max_cost_per_session=0.4) as (server, bench):
        await say(bench, "One.")
        await asked(server, 1)
        with trio.fail_after(5):
            told = await bench.told("notice", 2)
        assert "the session has cost 0.5000 USD: nothing more is sent" in str(told[-1]["text"])


def test_a_cost_without_an_estimate_is_added() -> None:
    costs = TrueCosts()
    costs.settle("a", 0.25, estimated_usd=None)
    assert costs.of(Usage(cost_usd=1.0, generation_ids=("a", "b"))).cost_usd == 1.25
    assert costs.of(Usage(generation_ids=("b",))).cost_usd is None


@pytest.mark.parametrize("value", [None, [], {"data": 7}, *({"data": {"total_cost": odd}} for odd in ("1", -1, None))])
def test_an_odd_answer_tells_no_cost(value: Any) -> None:
    assert parse_cost(value) is None
