"""Finds the servers with language models that listen on this machine: Ollama, llama.cpp, LM Studio.

Asks each at its usual address for its list of models, all at the same time, past any proxy. Where nothing listens, the
connection is refused at once.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import trio

from voiceloop.config.address import is_near
from voiceloop.net.catalogue import nearest

PROBE_S = 0.2
"""How long all servers together may take."""
PRESET_URL = "http://127.0.0.1:11434/v1"
PRESET_MODEL = "qwen3:4b"
"""Server and model of the preset `local`."""
LLAMA = "llama.cpp"
_BYTES = 1_000_000
"""The longest list of models that is read."""
_NAMES = 200
_NAME = re.compile(r"[\w.][\w./:@+-]{0,119}")
"""The names that are shown and put into a command. A server's list is untrusted."""
_ELSEWHERE = re.compile(r"[:-]cloud$")
"""Models that Ollama lists, but that run on its maker's servers."""
_NO_CHAT = re.compile(r"embed|rerank|bge-|minilm", re.IGNORECASE)
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)
"""A name or an IP address that can be looked up. Longer labels can't."""
_PATH = re.compile(r"[!-~]*")
_OLLAMA_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered. `base_url` ends in `/v1`; `models` are those that can chat, in the server's order."""

    name: str
    base_url: str
    models: tuple[str, ...]


def candidates(environment: Mapping[str, str]) -> dict[str, str]:
    """The addresses to ask, with the name of the server that listens there. `OLLAMA_HOST` replaces Ollama's own, unless
    it leads to the internet."""
    addresses = {
        ollama_url(environment.get("OLLAMA_HOST", "")): "Ollama",
        "http://127.0.0.1:8080/v1": LLAMA,
        "http://127.0.0.1:1234/v1": "LM Studio",
    }
    return {url: name for url, name in addresses.items() if url.startswith("http:") and is_near(url)}


def ollama_url(host: str) -> str:
    """The address that `OLLAMA_HOST` stands for: `host`, `host:port`, `:port` or a URL. An address to listen at on all
    interfaces is reached at this machine's own. Anything that isn't an address is taken for the default."""
    text = host.strip().strip("\"'")
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    try:
        parts = urlsplit(text if scheme else f"http://{text}")
        port = parts.port or _OLLAMA_PORTS.get(scheme, 11_434)
        name = parts.hostname or "127.0.0.1"
    except ValueError:
        return PRESET_URL
    if scheme not in {"", "http", "https"} or not _HOST.fullmatch(name) or not _PATH.fullmatch(parts.path):
        return PRESET_URL
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return f"{scheme or 'http'}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}/v1"


async def probe(environment: Mapping[str, str], *, within_s: float = PROBE_S) -> list[LocalServer]:
    """The servers that list a model that can chat, in the order of `candidates`. Servers that don't answer in time, or
    not with such a list, are left out."""
    found: dict[str, LocalServer] = {}

    async def ask(name: str, base_url: str) -> None:
        listing = await _listing(base_url)
        if names := chat_models(listing):
            found[base_url] = LocalServer(_named(name, base_url, listing), base_url, names)

    asked = candidates(environment)
    with trio.move_on_after(within_s):
        async with trio.open_nursery() as nursery:
            for base_url, name in asked.items():
                nursery.start_soon(ask, name, base_url, name=f"look for {name}")
    return [found[url] for url in asked if url in found]


def chat_models(body: bytes) -> tuple[str, ...]:
    """The models of a listing (the JSON of `/v1/models`) that can chat and run on the server; empty if it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    rows = value.get("data") if isinstance(value, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return usable(names)


def usable(names: Iterable[Any]) -> tuple[str, ...]:
    """The names of models that can chat and run on the server itself."""
    known = [name for name in names if isinstance(name, str) and _NAME.fullmatch(name)]
    return tuple(name for name in known if not _NO_CHAT.search(name) and not _ELSEWHERE.search(name))[:_NAMES]


def suggestion(server: LocalServer) -> str:
    """The line that says which models a server has, with the command that uses it."""
    model = PRESET_MODEL if PRESET_MODEL in server.models else server.models[0]
    command = "voiceloop run --config local"
    if server.base_url != PRESET_URL:
        command += f" --set handler.base_url={shlex.quote(server.base_url)}"
    if model != PRESET_MODEL:
        command += f" --set handler.model={shlex.quote(model)}"
    return f"{server.name} answers here with {_some((model, *server.models))}: {command}"


def instead(model: str, names: Sequence[str]) -> str:
    """The remedy for a model that a server of the user's own doesn't have: the models that it has, the most similar
    first. Empty if it has none that can chat."""
    listed = usable(names)
    if not listed:
        return ""
    first = (nearest(model, listed) or listed)[0]
    return f"It has {_some((first, *listed))}. Start with: --set handler.model={shlex.quote(first)}"


def _named(usual: str, base_url: str, listing: bytes) -> str:
    """The name of a server. Port 8080 is many a program's; llama.cpp's own list says whose it is."""
    is_other = usual == LLAMA and b'"llamacpp"' not in listing
    return f"A server at port {urlsplit(base_url).port}" if is_other else usual


def _some(names: Sequence[str]) -> str:
    """The first name and how many there are besides: `qwen3:4b and 2 more`."""
    more = len(set(names)) - 1
    return f"{names[0]} and {more} more" if more else names[0]


async def _listing(base_url: str) -> bytes:
    """The body of the list of models; empty if there is no server, or it doesn't answer with 200."""
    parts = urlsplit(base_url)
    assert parts.hostname is not None
    try:
        stream = await trio.open_tcp_stream(parts.hostname, parts.port or 80)
    except OSError:
        return b""
    async with stream:
        return await _get(stream, parts.netloc, f"{parts.path}/models")


async def _get(stream: trio.SocketStream, host: str, path: str) -> bytes:
    import h11  # only where something listens

    http = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=path, headers=[("Host", host), ("Connection", "close")])
    body = bytearray()
    try:
        await stream.send_all((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        while not isinstance(event := http.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(65_536)))
            elif isinstance(event, h11.Response) and event.status_code != 200:
                return b""
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _BYTES:
                    return b""
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        return b""
    return bytes(body)
