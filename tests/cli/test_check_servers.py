"""The check of a server: one that can't be used is a failure; one without a listing is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from testbed.http_parts import KEY_ENV
from testbed.server import Script, Server, open_server
from testbed.server.catalogue import row
from voiceloop import errors
from voiceloop.cli.check_servers import check_server, is_failure
from voiceloop.cli.report import Finding, Report
from voiceloop.config.tables import Endpoint
from voiceloop.net.client import open_clients
from voiceloop.net.wanted import Wanted

CATALOGUE = [row("a/b", "transcription")]


def wanted(url: str, *, model: str = "a/b", table: str = "openrouter") -> Wanted:
    settings = Endpoint(base_url=url, api_key_env=KEY_ENV)
    return Wanted("transcribe", "transcription", settings, table, (model,))


async def found(what: Wanted, cache: Path) -> Finding:
    report = Report(lambda _: None)
    async with open_clients(cache=cache) as clients:
        await check_server(clients, what, report)
    (finding,) = report.findings
    assert finding.what == "transcribe, server"
    return finding


async def listing(server: Server, cache: Path, *, model: str = "a/b", table: str = "openrouter") -> tuple[int, str]:
    finding = await found(wanted(server.url, model=model, table=table), cache)
    return finding.exit_code, finding.said


async def test_a_name_that_the_server_lists_is_right_and_another_is_a_mistake_only_at_openrouter(
    tmp_path: Path,
) -> None:
    async with open_server(Script(catalogue=CATALOGUE)) as server:
        assert await listing(server, tmp_path) == (0, "it lists a/b")
        code, said = await listing(server, tmp_path, model="a/c")
        assert (code, said) == (78, "transcribe.model: the server lists no model 'a/c'. Did you mean 'a/b'?")
        assert await listing(server, tmp_path, model="a/c", table="transcribe") == (0, said)


async def test_a_server_that_has_gone_is_a_failure_even_if_its_listing_is_known(tmp_path: Path) -> None:
    async with open_server(Script(catalogue=CATALOGUE)) as server:
        await listing(server, tmp_path)
        async with open_clients(cache=tmp_path) as clients:
            assert await clients.models(wanted(server.url).settings, "transcription"), "the listing is in the cache"
    code, said = await listing(server, tmp_path)
    assert code == 69
    # It isn't tried twice: that would be told.
    assert said.startswith(f"{server.url}/models: no connection: Connection refused. Start the server")
    assert said.endswith("voiceloop run --config offline (dictate, captions: --local)")


async def test_an_unknown_host_is_a_failure(tmp_path: Path) -> None:
    finding = await found(wanted("http://no.such.host.invalid/v1"), tmp_path)
    assert finding.exit_code == 69
    assert "no.such.host.invalid/v1/models: no connection" in finding.said


async def test_a_server_that_never_answers_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceloop.cli.check_servers.LISTING_S", 0.2)
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]  # the kernel accepts, and nobody reads
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
    finding = await found(wanted(url), tmp_path)
    await listener.aclose()
    assert finding.exit_code == 69
    assert finding.said.startswith(f"{url}/models: no answer within 0.2 s. Start the server")


async def test_a_server_without_a_listing_is_no_failure(tmp_path: Path) -> None:
    async with open_server(Script(catalogue=CATALOGUE)) as server:
        code, said = await listing_below(server, "/elsewhere", tmp_path)
    assert code == 0
    assert said.startswith("it answers, but lists no models: ")
    assert "HTTP 404" in said


async def listing_below(server: Server, path: str, cache: Path) -> tuple[int, str]:
    finding = await found(wanted(f"{server.url}{path}"), cache)
    return finding.exit_code, finding.said


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (errors.NotRunning("x"), True),
        (errors.Unreachable("x"), True),
        (errors.TimedOut("x"), True),
        (errors.Unauthorized("x", status=401), True),
        (errors.Unauthorized("x", status=403), True),
        (errors.Unavailable("x", status=503), True),
        (errors.RateLimited("x", status=429), False),
        (errors.NoSuchModel("x", status=404), False),
        (errors.BadAnswer("x", status=200), False),
        (errors.BadRequest("x", status=405), False),
    ],
)
def test_a_server_fails_if_it_is_away_broken_or_refuses_the_key(error: errors.ServiceError, failure: bool) -> None:
    assert is_failure(error) is failure
