"""The servers with language models on this machine: what is found, and what is said about them."""

from __future__ import annotations

import shlex
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import h11
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.ollama import Ollama, serving_ollama
from voiceloop.config.address import no_address
from voiceloop.config.load import preset_path
from voiceloop.net import local_servers
from voiceloop.net.local_servers import (
    PRESET_MODEL,
    PRESET_URL,
    PROBE_S,
    LocalServer,
    candidates,
    chat_models,
    instead,
    ollama_url,
    probe,
    suggestion,
    usable,
)

URLS = [
    ("", PRESET_URL),
    ("0.0.0.0", PRESET_URL),
    ("127.0.0.1:9000", "http://127.0.0.1:9000/v1"),
    (":9000", "http://127.0.0.1:9000/v1"),
    (" '0.0.0.0:11500' ", "http://127.0.0.1:11500/v1"),
    ("[::]:9000", "http://[::1]:9000/v1"),
    ("http://studio.lan", "http://studio.lan:80/v1"),
    ("https://studio.lan", "https://studio.lan:443/v1"),
    ("http://127.0.0.1:9000/ollama/", "http://127.0.0.1:9000/ollama/v1"),
    ("127.0.0.1:nonsense", PRESET_URL),
    ("ftp://127.0.0.1", PRESET_URL),
    ("a b", PRESET_URL),
    ("nas", "http://nas:11434/v1"),
    ("a..local", PRESET_URL),
    ("n" * 63 + ".lan", f"http://{'n' * 63}.lan:11434/v1"),
    ("n" * 64 + ".lan", PRESET_URL),
    ("m\xfcller", PRESET_URL),
    ("127.0.0.1/a b", PRESET_URL),
    ("127.0.0.1/\xe4", PRESET_URL),
]


@pytest.mark.parametrize(("host", "url"), URLS, ids=[row[0] for row in URLS])
def test_ollama_is_looked_for_where_its_variable_says(host: str, url: str) -> None:
    assert ollama_url(host) == url


@given(st.text(max_size=40) | st.text("ab.:/[]1%", max_size=80) | st.from_regex(r"[a.]{1,9}[a]{0,70}(/.{0,9})?"))
def test_any_text_in_the_variable_gives_an_address(host: str) -> None:
    url = ollama_url(host)
    assert no_address(url) == ""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.hostname.encode("idna")
    request = h11.Request(method="GET", target=parts.path, headers=[("Host", parts.netloc)])
    assert h11.Connection(h11.CLIENT).send(request)


@pytest.mark.parametrize("path", ["a b", "\xe4", "\x7f"])
async def test_an_odd_path_in_the_variable_breaks_nothing(path: str) -> None:
    with serving_ollama() as ollama:
        await probe({"OLLAMA_HOST": f"127.0.0.1:{ollama.port}/{path}"}, within_s=10)


def test_the_preset_is_the_one_that_the_suggestions_assume() -> None:
    handler = tomllib.loads(preset_path("local").read_text(encoding="utf-8"))["handler"]
    assert (handler["base_url"], handler["model"]) == (PRESET_URL, PRESET_MODEL)
    assert next(iter(candidates({}))) == PRESET_URL


async def found(ollama: Ollama) -> list[LocalServer]:
    """What is found if Ollama listens at that server's address. Other servers of the machine are left out."""
    servers = await probe({"OLLAMA_HOST": f"127.0.0.1:{ollama.port}"}, within_s=10)
    return [server for server in servers if server.name == "Ollama"]


async def test_a_server_is_found_with_its_models() -> None:
    with serving_ollama(Ollama(models=("gemma3:4b", "qwen3:4b"))) as ollama:
        assert await found(ollama) == [LocalServer("Ollama", ollama.url, ("gemma3:4b", "qwen3:4b"))]
        assert ollama.requests == [("/v1/models", None)]


async def test_a_server_at_port_8080_is_named_by_its_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in (("llamacpp", "llama.cpp"), ("someone", "A server at port")):
        with serving_ollama(Ollama(is_ollama=False, owner=owner)) as other:
            monkeypatch.setattr(local_servers, "candidates", lambda _, url=other.url: {url: "llama.cpp"})
            [server] = await probe({}, within_s=10)
            assert server.name in {name, f"{name} {other.port}"}


async def test_a_proxy_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving_ollama() as ollama:
        assert len(await found(ollama)) == 1


async def test_a_server_without_models_is_not_suggested() -> None:
    with serving_ollama(Ollama(models=())) as ollama:
        assert await found(ollama) == []
        assert ollama.requests


async def test_where_nothing_listens_nothing_is_found_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with trio.fail_after(50):
            servers = await probe({"OLLAMA_HOST": f"127.0.0.1:{free.getsockname()[1]}"}, within_s=60)
    assert [server for server in servers if server.name == "Ollama"] == []
    assert time.monotonic() - began < 30


def test_a_host_on_the_internet_is_never_asked() -> None:
    others = ["llama.cpp", "LM Studio"]
    for host in ("http://llm.example.com", "93.184.216.34:11434", "https://127.0.0.1"):
        assert list(candidates({"OLLAMA_HOST": host}).values()) == others
    assert next(iter(candidates({"OLLAMA_HOST": "192.168.1.20"}))) == "http://192.168.1.20:11434/v1"
    assert next(iter(candidates({"OLLAMA_HOST": "nas"}))) == "http://nas:11434/v1"


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A port where each connection gets `answer`; the connection stays open if it is empty."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer:
                    connection.recv(65_536)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


async def test_a_silent_server_costs_no_more_than_the_time_allowed() -> None:
    with answering(b"") as port:
        began = time.monotonic()
        servers = await probe({"OLLAMA_HOST": f"127.0.0.1:{port}"})
        took_s = time.monotonic() - began
    assert [server for server in servers if server.name == "Ollama"] == []
    assert PROBE_S * 0.9 < took_s < PROBE_S + 20  # for a silent server there is no other limit


OTHERS = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "markup": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "an error": b'HTTP/1.1 401 No\r\nContent-Length: 27\r\n\r\n{"data":[{"id":"qwen3:4b"}]}',
    "cut": b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"data":[{"id":"qwen3:4b"}]}',
    "too long": b"HTTP/1.1 200 OK\r\n\r\n" + b'{"data":[{"id":"qwen3:4b"}]}' + b" " * 1_000_000,
    "closed": b"\r\n",
}


@pytest.mark.parametrize("answer", OTHERS.values(), ids=OTHERS)
async def test_another_program_at_that_port_is_not_taken_for_a_server(answer: bytes) -> None:
    with answering(answer) as port:
        servers = await probe({"OLLAMA_HOST": f"127.0.0.1:{port}"}, within_s=10)
    assert [server for server in servers if server.name == "Ollama"] == []


def test_models_that_cannot_chat_or_run_elsewhere_are_left_out() -> None:
    names = ["nomic-embed-text:latest", "gpt-oss:120b-cloud", "glm-4.6:cloud", "qwen3:4b", 3, "\x1b[2J", "-rf", "a b"]
    assert usable(names) == ("qwen3:4b",)


@given(st.binary(max_size=200) | st.from_regex(rb'\{"data": ?\[[^x]{0,80}\]\}', fullmatch=True))
def test_any_bytes_are_a_list_of_models_or_none(body: bytes) -> None:
    for name in chat_models(body):
        assert name.isprintable()


def test_the_line_names_the_command() -> None:
    ollama = LocalServer("Ollama", PRESET_URL, ("gemma3:4b", "llama3.2:latest", "mistral:7b"))
    assert suggestion(ollama) == (
        "Ollama answers here with gemma3:4b and 2 more: voiceloop run --config local --set handler.model=gemma3:4b"
    )
    ollama = LocalServer("Ollama", PRESET_URL, ("gemma3:4b", "qwen3:4b"))
    assert suggestion(ollama) == "Ollama answers here with qwen3:4b and 1 more: voiceloop run --config local"
    studio = LocalServer("LM Studio", "http://127.0.0.1:1234/v1", ("qwen/qwen3-4b",))
    assert suggestion(studio) == (
        "LM Studio answers here with qwen/qwen3-4b: voiceloop run --config local "
        "--set handler.base_url=http://127.0.0.1:1234/v1 --set handler.model=qwen/qwen3-4b"
    )


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_a_name_never_adds_words_to_the_command(names: list[str]) -> None:
    if models := usable(names):
        line = suggestion(LocalServer("Ollama", PRESET_URL, models))
        words = shlex.split(line.partition(": voiceloop ")[2])
        assert words[:3] == ["run", "--config", "local"]
        assert words[3:] in ([], ["--set", f"handler.model={models[0]}"])


def test_the_remedy_for_a_missing_model_names_the_most_similar_that_is_there() -> None:
    assert instead("qwen3:4b", ["gemma3:4b", "qwen3:8b"]) == (
        "It has qwen3:8b and 1 more. Start with: --set handler.model=qwen3:8b"
    )
    assert instead("qwen3:4b", ["mistral"]) == "It has mistral. Start with: --set handler.model=mistral"
    assert instead("qwen3:4b", ["nomic-embed-text"]) == ""
