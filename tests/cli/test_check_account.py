"""What `check --online` says of the key and of the models' providers, and of models that end soon."""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import KEY_ENV
from testbed.server import Script, open_server
from testbed.server.catalogue import provider, providers, row
from voiceloop.cli.check_account import check_account
from voiceloop.cli.check_servers import judged
from voiceloop.cli.report import Finding, Report
from voiceloop.config.tables import OpenRouter
from voiceloop.net.account import parse_credits, parse_key, words
from voiceloop.net.catalogue import parse
from voiceloop.net.client import open_clients
from voiceloop.net.providers import Feature, path_of
from voiceloop.net.wanted import Wanted
from voiceloop.speak.openrouter import OpenRouterSpeakOptions

MODEL = "openai/whisper-large-v3"
DIARIZES = Feature("diarize", "supports_diarization", "tells speakers apart")


async def found(
    cache: Path, pages: dict[str, Any], *, table: str = "openrouter", features: tuple[Feature, ...] = ()
) -> list[Finding]:
    report = Report(lambda _: None)
    async with open_server(Script(pages=pages)) as server, open_clients(cache=cache) as clients:
        settings = OpenRouter(base_url=server.url, api_key_env=KEY_ENV)
        wanted = Wanted("transcribe", "transcription", settings, table, (MODEL,), features=features)
        await check_account(clients, [wanted], report)
        assert server.posts() == []
    return report.findings


KEY: dict[str, Any] = {"usage": 2.5, "limit": 10, "limit_remaining": 7.5, "limit_reset": "monthly"}
SPEEDS = providers(provider("Groq", p50_ms=310.4), provider("OpenAI", p50_ms=720))


async def test_the_limit_the_rest_and_the_speeds_are_told(tmp_path: Path) -> None:
    credit = {"data": {"total_credits": 20, "total_usage": 7.75}}
    key, speed = await found(tmp_path, {"/key": {"data": KEY}, "/credits": credit, path_of(MODEL): SPEEDS})
    assert (key.what, key.exit_code) == ("openrouter, key", 0)
    assert key.said == (
        "the key's limit is 10.00 USD (monthly), 7.50 USD left; 2.50 USD used so far; the account has 12.25 USD left"
    )
    assert (speed.what, speed.exit_code) == ("transcribe, speed", 0)
    assert speed.said == "Groq 310 ms, OpenAI 720 ms until the answer begins (median of the last 30 minutes)"


async def test_credits_that_the_key_may_not_see_are_no_fault(tmp_path: Path) -> None:
    key, _ = await found(
        tmp_path, {"/key": {"data": {"usage": 1, "limit": None}}, "/credits": 403, path_of(MODEL): SPEEDS}
    )
    assert (key.exit_code, key.said) == (0, "the key has no limit; 1.00 USD used so far")


async def test_an_answer_that_says_nothing_of_the_key_is_not_taken_for_no_limit(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = [{}, {"data": []}, {"data": {"label": "x"}}]
    for answer in answers:
        key, _ = await found(tmp_path, {"/key": answer, path_of(MODEL): SPEEDS})
        assert (key.exit_code, key.said) == (0, "the server says nothing of the key")


async def test_credits_that_do_not_come_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceloop.cli.check_account.LISTING_S", 1.0)

    async def silent(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some(4_096)
        if b"GET /key " not in head:
            await trio.sleep_forever()
        body = json.dumps({"data": KEY}).encode()
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
        )

    report = Report(lambda _: None)
    async with trio.open_nursery() as nursery, open_clients(cache=tmp_path) as clients:
        (listener,) = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        settings = OpenRouter(base_url=url, api_key_env=KEY_ENV)
        wanted = Wanted("transcribe", "transcription", settings, "openrouter", ("@preset/mine",))
        await check_account(clients, [wanted], report)
        nursery.cancel_scope.cancel()
    key, speed = report.findings
    assert (key.exit_code, key.said[:31]) == (0, "the key's limit is 10.00 USD (m")
    assert (speed.tried, speed.said) == (False, "none is listed")  # a preset: nobody was asked


async def test_a_key_with_nothing_left_is_a_failure(tmp_path: Path) -> None:
    key, _ = await found(tmp_path, {"/key": {"data": KEY | {"limit_remaining": -0.02}}, path_of(MODEL): SPEEDS})
    assert key.exit_code == 69
    assert "0.00 USD left" in key.said


@pytest.mark.parametrize(("status", "code", "tried"), [(401, 69, True), (403, 69, True), (404, 0, False)])
async def test_a_key_that_is_refused_is_a_failure_and_a_gateway_without_such_pages_is_not(
    tmp_path: Path, status: int, code: int, tried: bool
) -> None:
    findings = await found(tmp_path, {"/key": status, path_of(MODEL): 404})
    assert [(finding.exit_code, finding.tried) for finding in findings] == [(code, tried), (0, False)]


async def test_a_feature_that_no_provider_has_is_a_mistake(tmp_path: Path) -> None:
    _, speed = await found(tmp_path, {"/key": {"data": KEY}, path_of(MODEL): SPEEDS}, features=(DIARIZES,))
    assert speed.exit_code == 78
    assert speed.said.startswith(f"transcribe.diarize: no provider of {MODEL} tells speakers apart")


async def test_providers_without_figures_are_named(tmp_path: Path) -> None:
    pages = {"/key": {"data": KEY}, path_of(MODEL): providers(provider("Groq"), provider("OpenAI"))}
    _, speed = await found(tmp_path, pages)
    assert speed.said == "Groq, OpenAI; how fast is not known"


async def test_another_server_is_not_asked(tmp_path: Path) -> None:
    assert await found(tmp_path, {}, table="transcribe") == []


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 10, 1), ""),
        (date(2026, 11, 28), "; openai/whisper-1 ends on 2027-02-26: choose another in time"),
        (date(2027, 3, 1), "; openai/whisper-1 ends on 2027-02-26: choose another in time"),
    ],
)
def test_a_model_that_ends_soon_is_told(today: date, said: str) -> None:
    listed = parse({"data": [row("openai/whisper-1", "transcription", more={"expiration_date": "2027-02-26"})]})
    wanted = Wanted("transcribe", "transcription", OpenRouter(), "openrouter", ("openai/whisper-1",))
    assert judged(wanted, listed, today) == (f"it lists openai/whisper-1{said}", 0)


def test_what_a_model_may_ignore_is_told_and_is_no_mistake() -> None:
    listed = parse({"data": [row("a/tts", "speech")]})
    wanted = OpenRouterSpeakOptions(model="a/tts", instructions="Calm").wanted(OpenRouter())
    said, code = judged(wanted, listed, date(2026, 10, 1))
    assert code == 0
    assert said.startswith("it lists a/tts; speak.instructions: a/tts is not known to take it")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_answer_of_a_server_is_read(value: Any, inner: Any) -> None:
    given_keys = dict.fromkeys(("usage", "limit", "limit_remaining", "limit_reset", "expires_at"), value)
    for answer in (value, {"data": inner}, {"data": given_keys}):
        words(parse_key(answer), parse_credits(answer))
    parse_credits({"data": {"total_credits": value, "total_usage": inner}})
