"""A server that speaks as Ollama does: lists of models, loading, and streamed chat. Runs in threads of this process.

What is imitated: an unknown model is answered with 404 by both of its APIs; a thinking model thinks before it answers
unless `reasoning_effort` is `none`; a model is loaded by the first request that names it; unknown fields of a chat are
ignored.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PORT = 11_434
"""Where Ollama listens."""
THOUGHTS = ("The user", " wants", " to know")


@dataclass
class Ollama:
    """What the server has and does, and what it was asked."""

    models: Sequence[str] = ("qwen3:4b",)
    reply: str = "It is noon."
    refuses_effort: str = ""
    """The message with which a chat with `reasoning_effort` is refused (400), as by versions that don't know `none`.
    Empty: the field is taken."""
    refuses_late: bool = False
    """That refusal comes only after the words, as an event of the answer."""
    calls: Sequence[dict[str, str]] = ()
    """The function calls (`name`, `arguments`) with which a chat is answered that offers tools and has no result
    yet."""
    is_ollama: bool = True
    """Whether it has Ollama's own API. False: that of OpenAI alone, as llama.cpp and LM Studio."""
    is_studio: bool = False
    """Whether unknown paths are answered as LM Studio does: with an error, and the status 200."""
    owner: str = "library"
    """What the list of models gives as `owned_by`. llama.cpp's says `llamacpp`."""
    may_load: threading.Event = field(default_factory=threading.Event)
    """Loading waits for it. Set from the beginning, unless a test clears it."""
    port: int = 0
    requests: list[tuple[str, Any]] = field(default_factory=list)
    """Path and JSON of every request so far, as they came."""
    loaded: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def asked(self, path: str) -> list[Any]:
        """The JSON of all requests to `path` so far."""
        return [body for asked, body in self.requests if asked == path]

    def wait_for(self, path: str, *, count: int = 1, timeout_s: float = 120.0) -> list[Any]:
        """The JSON of the requests to `path`, once there are `count`."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.asked(path)) >= count, timeout_s):
                raise TimeoutError(f"no {count} x {path}: {self.requests}")
        return self.asked(path)

    def has(self, model: object) -> bool:
        """Whether there is that model. Without a tag, `latest` is meant."""
        return model in self.models or f"{model}:latest" in self.models


@contextmanager
def serving_ollama(ollama: Ollama | None = None, *, port: int = 0) -> Iterator[Ollama]:
    """Serve on 127.0.0.1 until the block ends, by default at a free port."""
    ollama = ollama or Ollama()
    ollama.may_load.set()
    with ThreadingHTTPServer(("127.0.0.1", port), _handler(ollama)) as server:
        server.daemon_threads = True  # a client may keep its connection open
        ollama.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ollama
        finally:
            ollama.may_load.set()
            server.shutdown()
            thread.join()


def _handler(ollama: Ollama) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        server_has = ollama

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_has: Ollama

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Prints nothing."""

    def do_HEAD(self) -> None:
        self._json(200, None)

    def do_GET(self) -> None:
        path = self._note(None)
        names = self.server_has.models
        if path == "/v1/models":
            owner = self.server_has.owner
            rows = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": owner} for name in names]
            self._json(200, {"object": "list", "data": rows})
        elif path == "/api/tags" and self.server_has.is_ollama:
            self._json(200, {"models": [{"name": name, "model": name} for name in names]})
        else:
            self._json(404, {"error": "not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self._note(body)
        if path == "/api/generate" and self.server_has.is_ollama:
            self._load(body)
        elif path == "/v1/chat/completions":
            self._chat(body)
        elif self.server_has.is_studio:
            self._json(200, {"error": f"Unexpected endpoint or method. (POST {path})"})
        else:
            self._json(404, {"error": "not found"})

    def _note(self, body: Any) -> str:
        path = urlsplit(self.path).path  # through a proxy, the path comes as a whole address
        with self.server_has.news:
            self.server_has.requests.append((path, body))
            self.server_has.news.notify_all()
        return path

    def _load(self, body: Any) -> None:
        model = body["model"]
        if not self.server_has.has(model):
            self._json(404, {"error": f"model '{model}' not found"})
            return
        self.server_has.may_load.wait()
        self.server_has.loaded.append(model)
        self._json(200, {"model": model, "response": "", "done": True, "done_reason": "load"})

    def _chat(self, body: Any) -> None:
        if not self.server_has.has(body["model"]):
            self._error(404, f"model '{body['model']}' not found")
        elif "reasoning_effort" in body and self.server_has.refuses_effort and not self.server_has.refuses_late:
            self._error(400, self.server_has.refuses_effort)
        else:
            events = _events(self.server_has, body)
            if "reasoning_effort" in body and self.server_has.refuses_late:
                events.insert(-1, {"error": {"code": 400, "message": self.server_has.refuses_effort}})
            self._stream(events)

    def _error(self, status: int, message: str) -> None:
        self._json(status, {"error": {"message": message, "type": "api_error", "param": None, "code": None}})

    def _json(self, status: int, value: Any) -> None:
        body = b"" if self.command == "HEAD" else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, events: Sequence[Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for data in [*(json.dumps(event) for event in events), "[DONE]"]:
            piece = f"data: {data}\n\n".encode()
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")


def _events(ollama: Ollama, body: Any) -> list[Any]:
    """The events of an answer: thoughts, unless they are switched off, then words or calls."""
    deltas: list[dict[str, Any]] = []
    if body.get("reasoning_effort") != "none":
        deltas += [{"role": "assistant", "content": "", "reasoning": thought} for thought in THOUGHTS]
    answered = any(message["role"] == "tool" for message in body["messages"])
    if ollama.calls and body.get("tools") and not answered:
        calls = [
            {"index": at, "id": f"call_{at}", "type": "function", "function": dict(call)}
            for at, call in enumerate(ollama.calls)
        ]
        deltas.append({"role": "assistant", "content": "", "tool_calls": calls})
        reason = "tool_calls"
    else:
        words = ollama.reply.split(" ")
        deltas += [{"role": "assistant", "content": word if at == 0 else f" {word}"} for at, word in enumerate(words)]
        reason = "stop"
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"]}
    events: list[Any] = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": reason}]})
    if body.get("stream_options", {}).get("include_usage"):
        count = len(deltas)
        usage = {"prompt_tokens": 12, "completion_tokens": count, "total_tokens": 12 + count}
        events.append({**head, "choices": [], "usage": usage})
    return events
