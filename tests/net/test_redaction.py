"""Keys, passwords and tokens: never shown, whatever a server or a library makes of them."""

from __future__ import annotations

import base64
import html
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import RecordingReply, endpoint, make_transcript, open_bench
from testbed.server import Fault, Script, open_server
from testbed.server.dialects import chunk, stream
from voiceloop.config.address import shown_server, tokens_in
from voiceloop.errors import ServiceError, Unreachable
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.net.catalogue import parse
from voiceloop.net.redaction import Redaction, safe_id, secrets_of
from voiceloop.net.service import Request

KEY = "sk-or-v1-8f3aB7d2e9C4a1f6b5D8e7c0"
ALTERED = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "with blanks": " ".join(KEY),
    "without its marks": KEY.replace("-", ""),
    "with other marks": KEY.replace("-", "_"),
    "its beginning": KEY[:22],
    "its end": KEY[-16:],
    "backwards": KEY[::-1],
    "quoted for a URL": quote(KEY, safe=""),
    "quoted in full": "".join(f"%{ord(char):02x}" for char in KEY),
    "for HTML": "".join(f"&#{ord(char)};" for char in KEY),
    "escaped for JSON": "".join(f"\\u{ord(char):04x}" for char in KEY),
    "in hexadecimal": KEY.encode().hex(),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "a header in base64": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "user and key in base64": base64.b64encode(f"me:{KEY}".encode()).decode(),
    "within HTML": html.escape(f"<b>{KEY}</b>"),
}
RUN = 12


def shares(text: str, secret: str = KEY) -> bool:
    """Whether `text` still has as much of the secret as could be of use."""
    letters = "".join(filter(str.isalnum, text)).lower()
    wanted = "".join(filter(str.isalnum, secret)).lower()
    return any(wanted[at : at + RUN] in letters for at in range(len(wanted) - RUN + 1))


@pytest.mark.parametrize("name", ALTERED)
def test_a_key_is_hidden_in_every_form(name: str) -> None:
    text = f"no user with {ALTERED[name]} is known"
    shown = Redaction([KEY])(text)
    assert ALTERED[name] not in shown
    assert not shares(shown)
    assert shown.startswith("no user with ")
    assert shown.endswith(" is known")
    assert "[the key]" in shown


@pytest.mark.parametrize(
    "text",
    ["", "the model is down", "sk-or-v1 is how keys begin", "8f3a…e7c0", "a" * 5_000, "100% of &amp; \\u00e9 \\x41"],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert Redaction([KEY])(text) == text
    assert Redaction([])(text) == text


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_no_text_shows_a_key(secret: str, before: str, after: str) -> None:
    assert not secret or secret not in Redaction([secret])(before + secret + after).replace("[the key]", "")


def test_an_id_that_holds_a_key_is_no_id() -> None:
    hide = Redaction([KEY])
    assert safe_id("gen-17", hide) == "gen-17"
    for value in (f"gen-{KEY}", f"gen-{KEY[::-1]}", "x" * 200, "a\nb", "", 3, None):
        assert safe_id(value, hide) is None


def test_a_listing_that_holds_a_key_does_not_show_it() -> None:
    row: dict[str, Any] = {"id": f"m/{KEY}", "name": KEY.upper(), "supported_voices": [f"v {KEY}"], "pricing": {KEY: 1}}
    found = parse({"data": [row]}, Redaction([KEY]))
    assert not shares(repr(found))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("http://127.0.0.1:8080/v1beta/openai", "http://127.0.0.1:8080/v1beta/openai"),
        ("http://localhost/engines/llama.cpp/v1", "http://localhost/engines/llama.cpp/v1"),
        ("https://x.example/sk-abcdef/v1", "https://x.example/…/v1"),
        ("https://x.example/t/8f3aB7d2e9C4a1f6/v1", "https://x.example/t/…/v1"),
        ("https://x.example/my-secret/v1", "https://x.example/…/v1"),
        ("https://me:pw@x.example/s3cr3t/v1?k=1", "https://x.example/…/v1"),
        ("https://x.example/0e1f2a3b-1111-2222-3333-444455556666/v1", "https://x.example/…/v1"),
    ],
)
def test_a_token_in_the_path_of_an_address_is_not_shown(url: str, shown: str) -> None:
    assert shown_server(url) == shown


def test_secrets_of_addresses_and_proxies() -> None:
    found = secrets_of(f"http://me:hunter22@x.example/{KEY}/v1", {"HTTPS_PROXY": "http://you:pa/ss:w@rd@p.example:1"})
    for secret in ("hunter22", KEY, "pa/ss:w@rd", base64.b64encode(b"me:hunter22").decode()):
        assert secret in found
    assert tokens_in("https://openrouter.ai/api/v1") == []


ECHOES = {
    "a status": Fault(status=400, body=json.dumps({"error": {"message": f"bad key {KEY[::-1]}"}}).encode()),
    "a header": Fault(headers=(("Content-Encoding", KEY.lower()),)),
    "a content type": Fault(body=b"x", headers=(("Content-Type", f"text/html; a={KEY.upper()}"),)),
    "a redirect": Fault(
        status=400, body=json.dumps({"detail": quote(f"https://x.example/?k={KEY}", safe="")}).encode()
    ),
    "an event": Fault(body=stream({"error": {"code": 400, "message": " ".join(KEY)}})),
}


@pytest.mark.parametrize("name", ECHOES)
async def test_a_server_that_echoes_the_key_does_not_have_it_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_KEY", KEY)
    async with open_server(Script(key=KEY, faults=[ECHOES[name]])) as server:
        settings = endpoint(server, api_key_env="ECHO_KEY", retry={"max_elapsed_s": 0})
        async with open_bench(settings) as bench, ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat:
            with pytest.raises(ServiceError) as caught:
                await chat.handle(make_transcript(), RecordingReply())
    assert not shares(f"{caught.value!r} {caught.value} {bench.events}")
    assert not shares(str(caught.value)[::-1])


@pytest.mark.parametrize("where", ["header", "event"])
async def test_a_generation_id_that_is_the_key_is_dropped(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHO_KEY", KEY)
    body = stream(chunk(content="Hi.") | {"id": f"gen-{KEY}", "usage": {"cost": 1}}, chunk("stop"))
    headers = (("X-Generation-Id", KEY if where == "header" else ""),)
    async with open_server(Script(key=KEY, faults=[Fault(body=body, headers=headers)])) as server:
        settings = endpoint(server, api_key_env="ECHO_KEY")
        async with open_bench(settings) as bench, ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat:
            reply = RecordingReply()
            await chat.handle(make_transcript(), reply)
    assert [usage.generation_ids for usage in reply.usage] == [()]


async def test_a_token_in_the_path_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server() as server:
        settings = endpoint(server, base_url=f"http://127.0.0.1:{server.port}/{KEY}/v1")
        async with open_bench(settings) as bench:
            service = bench.clients.endpoint(settings)
            with pytest.raises(ServiceError) as caught:
                await service.call(Request("/audio/speech", json={"model": "a"}, model="a"))
    # The server's error repeats the path.
    assert "/…/v1/audio/speech" in str(caught.value)
    assert not shares(f"{caught.value} {service!r} {bench.events}")


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:hunter2/2@127.0.0.1:9",
        "http://me:hunter2:2@127.0.0.1:x",
        "ftp://me:hunter2@127.0.0.1:9",
        "http://me:hunter2@[::1",
    ],
)
async def test_the_password_of_a_proxy_that_cannot_be_used_is_not_shown(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    async with open_server() as server, open_bench(endpoint(server, retry={"max_elapsed_s": 0})) as bench:
        service = bench.clients.endpoint(endpoint(server, base_url="https://x.invalid/v1", retry={"max_elapsed_s": 0}))
        with pytest.raises(Unreachable) as caught:
            await service.call(Request("/audio/speech", json={"model": "a"}, model="a"))
    assert "hunter" not in str(caught.value)


def test_a_password_of_the_environment_that_is_no_text_is_hidden() -> None:
    environment = {"HTTPS_PROXY": "http://user:p\udcffss\ud83dword@proxy:3128"}
    redaction = Redaction(secrets_of("https://example.org", environment))
    assert "word" not in redaction(f"can't reach {environment['HTTPS_PROXY']}")
