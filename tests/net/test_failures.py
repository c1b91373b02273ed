"""Error table of services, row by row against a real server: the message, and the number of attempts."""

from __future__ import annotations

import logging
import re
import traceback

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import endpoint, open_bench
from testbed.server import Fault, Script, open_server
from testbed.server.answers import MESSAGES
from voiceloop import errors
from voiceloop.config.tables import Endpoint
from voiceloop.errors import ServiceError
from voiceloop.net.failures import Where, clean, from_status, start_it, without_network
from voiceloop.net.service import Request

ASK = Request("/audio/speech", json={"model": "a/b", "input": "hi", "voice": "v"}, model="a/b")
LATER = "Try again; if the error persists, choose another model or see the provider's status page"
OWN_LATER = "See what the server says in its own terminal or log; if it lacks memory, choose a smaller model"
PROXY = "Put it into HTTPS_PROXY or HTTP_PROXY: http://user:password@host:port"
KEY = "VOICELOOP_TEST_KEY"

ROWS = [
    (400, errors.BadRequest, 1, "the request was refused", "Check the options in [speak] of the config"),
    (401, errors.Unauthorized, 1, "the key was refused", f"Check the key: {KEY}"),
    (402, errors.OutOfCredits, 1, "the account is out of credits", "Add credits: https://openrouter.ai/credits"),
    (403, errors.Unauthorized, 1, "the key does not allow this", f"Check the key's limits and the account: {KEY}"),
    (404, errors.NoSuchModel, 1, "there is no such model or path", "'voiceloop models' lists the models"),
    (407, errors.Unauthorized, 1, "the proxy requires a password", PROXY),
    (408, errors.TimedOut, 3, "the request timed out", LATER),
    (413, errors.BadRequest, 1, "the request is too large", "Lower segment.max_utterance_s"),
    (418, errors.BadRequest, 1, "the request was refused", "Check [speak] in the config"),
    (429, errors.RateLimited, 3, "too many requests", "Wait, or use another model or a key with higher limits"),
    (500, errors.ServerFailed, 3, "the server failed", LATER),
    (502, errors.BadGateway, 3, "the model's provider failed", LATER),
    (503, errors.Unavailable, 3, "the service is unavailable", LATER),
    (504, errors.EdgeTimeout, 3, "the provider timed out behind the gateway", LATER),
    (524, errors.EdgeTimeout, 3, "the provider timed out at the edge", LATER),
    (529, errors.Overloaded, 3, "the provider is overloaded", LATER),
    (599, errors.ServerFailed, 3, "the server failed", LATER),
]


@pytest.mark.parametrize(("status", "kind", "attempts", "what", "remedy"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_a_status_of_a_server_on_the_internet_has_its_remedy(
    status: int, kind: type[ServiceError], attempts: int, what: str, remedy: str
) -> None:
    where = Where("https://openrouter.ai/api/v1/audio/speech", "a/b", KEY, "speak")
    error = from_status(status, {}, b"", where)
    assert type(error) is kind
    assert str(error) == f"{where}: {what} (HTTP {status}). {remedy}"


@pytest.mark.parametrize(("status", "kind", "attempts", "what", "remedy"), ROWS, ids=[str(row[0]) for row in ROWS])
async def test_a_status_becomes_its_error(
    status: int, kind: type[ServiceError], attempts: int, what: str, remedy: str
) -> None:
    # The third failure asks to wait longer than the retry policy allows, so the attempts always end there.
    last = Fault(status=status, headers=(("Retry-After", "600"),) if attempts > 1 else ())
    script = Script(faults=[*[Fault(status=status)] * (attempts - 1), last])
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(kind) as caught:
            await bench.clients.endpoint(endpoint(server)).call(ASK)
        assert len(bench.named("net.retry")) == attempts - 1
    error = caught.value
    assert type(error) is kind
    tries = "; tried 3 times in N s, the server asks to wait 600 s" if attempts > 1 else ""
    remedy = OWN_LATER if remedy == LATER else remedy  # it is on this machine
    said = MESSAGES.get(status, "It went wrong").rstrip(".")
    assert re.sub(r"in \d\.\d s", "in N s", str(error)) == (
        f"{server.url}/audio/speech (a/b): {what} (HTTP {status}); the server said: {said}{tries}. {remedy}"
    )
    assert (error.status, error.exit_code) == (status, 69)
    assert len(server.posts()) == error.attempts == attempts


BODIES = [
    (b'{"error": {"code": 400, "message": "no voice \\u001b[31mred\\u202e"}}', "no voice red"),
    (b'{"error": {"code": 400, "message": "Provider returned error", "metadata": {"raw": "voice x unknown"}}}',
     "Provider returned error / voice x unknown"),
    (b'{"error": "just text"}', "just text"),
    (b'{"detail": "fastapi style"}', "fastapi style"),
    (b'{"message": "bare"}', "bare"),
    (b"plain\r\n words\x00", "plain words"),
    (b"\xff\xfe", "\ufffd\ufffd"),
    (b'{"error": {"message": "' + b"long " * 1000 + b'"}}', ("long " * 60).strip()[:299] + "…"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), BODIES)
async def test_the_servers_message_is_shown_clean_and_short(body: bytes, said: str) -> None:
    assert f"; the server said: {said}. Check the options" in await _refusal(Fault(status=400, body=body))


@pytest.mark.parametrize("body", [b"", b"<html><h1>502</h1></html>", b"[1]", b"{}", b'{"error": null}', b"null"])
async def test_a_body_without_a_message_is_left_out(body: bytes) -> None:
    assert "the request was refused (HTTP 400). Check" in await _refusal(Fault(status=400, body=body))


async def test_an_endless_error_page_is_cut_off() -> None:
    with trio.fail_after(60):
        assert "(HTTP 400)" in await _refusal(Fault(status=400, body=b"x" * 65_536, repeat=True))


async def _refusal(fault: Fault) -> str:
    async with open_server(Script(faults=[fault])) as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(errors.BadRequest) as caught:
            await bench.clients.endpoint(endpoint(server)).call(ASK)
        return str(caught.value)


ECHOED = [
    Fault(status=401, body=b'{"error": {"message": "bad key test-key, sir"}}'),
    Fault(status=401, body=b'{"error": {"message": "bad key test-\\u200bk\\u0000ey, sir"}}'),
    Fault(status=401, body=b"test-key" * 200),
    Fault(status=401, body=b'{"error": {"message": "' + b"x" * 295 + b'test-key"}}'),
    Fault(status=307, headers=(("Location", "https://elsewhere/?key=test-key"),)),
    Fault(body=b'{"error": {"code": 402, "message": "test-key is broke"}}'),
    Fault(body=b"test-key"),
    Fault(headers=(("Content-Type", "test-key"),), body=b"?"),
    Fault(drop=True),
]


@pytest.mark.parametrize("fault", ECHOED)
async def test_a_key_is_never_shown_even_when_the_server_repeats_it(
    fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_server(Script(faults=[fault])) as server:
        settings = endpoint(server, retry={"max_elapsed_s": 0})
        async with open_bench(settings) as bench:
            service = bench.clients.endpoint(settings)
            with pytest.raises(ServiceError) as caught:
                await service.call(ASK)
            shown = f"{caught.value} {caught.value!r} {service!r} {bench.events} {vars(caught.value)}"
    assert "test-key" not in shown
    assert "test-ke" not in shown.replace("[the key]", "")
    # A traceback prints the error alone, without the HTTP library's error, which holds the request.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "test-key" not in caplog.text
    assert '"input"' not in caplog.text, "no body of a request is ever logged"


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=500), Fault(body=b"{"), Fault(cut_after=3)])
async def test_a_traceback_with_the_locals_of_our_frames_contains_no_key(fault: Fault) -> None:
    async with open_server(Script(faults=[fault])) as server:
        settings = endpoint(server, retry={"max_elapsed_s": 0})
        async with open_bench(settings) as bench:
            with pytest.raises(ServiceError) as caught:
                await bench.clients.endpoint(settings).call(ASK)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in trace.stack if "/voiceloop/net/" in frame.filename]
    assert len(frames) >= 3
    assert "test-key" not in "".join(f"{frame.locals}" for frame in frames)


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/audio/transcriptions", "voiceloop run --config offline (dictate, captions: --local)"),
        ("/chat/completions", "voiceloop run --config offline"),
        ("/audio/speech", "voiceloop run --config offline"),
    ],
)
async def test_without_a_network_the_error_says_how_to_go_on_without_one(path: str, command: str) -> None:
    settings = Endpoint.model_validate(
        {"base_url": "http://no.such.host.invalid/v1", "api_key_env": "", "retry": {"max_elapsed_s": 0}}
    )
    async with open_bench(settings) as bench:
        with pytest.raises(errors.Unreachable) as caught:
            await bench.clients.endpoint(settings).call(Request(path, json={}))
    assert str(caught.value).endswith(f"Check the network and base_url. To go on without a network: {command}")


@pytest.mark.parametrize(
    ("url", "table"),
    [
        ("http://127.0.0.1:11434/v1/chat/completions", "handler"),
        ("http://192.168.1.5/v1/audio/speech", "speak"),
        ("https://openrouter.ai/api/v1/models", "openrouter"),
    ],
)
def test_servers_of_the_own_network_and_listings_get_no_such_advice(url: str, table: str) -> None:
    assert without_network(Where(url, table=table)) == ""


@pytest.mark.parametrize(
    ("url", "table", "start", "without"),
    [
        ("http://127.0.0.1:11434/v1", "handler", "Start the server ('ollama serve')", ""),
        ("http://192.168.1.5:9000/v1", "transcribe", "Start the server", " (dictate, captions: --local)"),
    ],
)
def test_a_server_that_is_not_running_is_to_be_started_or_done_without(
    url: str, table: str, start: str, without: str
) -> None:
    remedy = f"{start}, or correct base_url. To go on without it: voiceloop run --config offline{without}"
    assert start_it(Where(url, table=table)) == remedy
    assert start_it(Where(url, table="openrouter")) == f"{start}, or correct base_url", "a listing is no turn"


@given(st.text())
def test_any_message_of_a_server_becomes_one_short_visible_line(text: str) -> None:
    line = clean(text)
    assert len(line) <= 300
    assert line.isprintable()
    assert not any(ord(letter) < 32 or letter in "\u202e\u2066\u200b\x7f\x9b" for letter in line)
