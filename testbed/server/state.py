"""What the server has seen so far, and the choice of each answer. Knows no connection."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from testbed.server import answers, rules
from testbed.server.answers import Plain
from testbed.server.script import Fault, Script, SocketFault

PREFIX = "/api/v1"


@dataclass(slots=True)
class Socket:
    """A WebSocket connection, as the server has seen it."""

    query: str
    session: dict[str, Any] = field(default_factory=dict)
    """The session that the client asked for."""
    items: list[bytes] = field(default_factory=list, repr=False)
    """The sound of each item."""
    sound_s: float = 0.0
    """How much sound has come, in all."""
    clears: int = 0
    pings: int = 0
    gone: bool = False
    scope: trio.CancelScope = field(default_factory=trio.CancelScope, repr=False)
    """Cancelled to close it."""


@dataclass(slots=True)
class Recorded:
    """A request, and how it was answered."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any
    raw: bytes = field(repr=False)
    broken: str | None = None
    """The rule it broke."""
    status: int = 0
    sent: int = 0
    """Bytes of the answer's body."""
    received_at: float = field(default_factory=time.monotonic)
    """When its last byte was received, by `time.monotonic()`, which all processes of a machine share."""
    first_byte_at: float | None = None
    """When the first byte of the answer's body was sent."""
    answered_at: float | None = None
    """When all of the answer was sent; None when the client left before."""
    words: list[tuple[float, str]] = field(default_factory=list)
    """The tokens of a chat's answer, or the text of a transcription, each with the time when it was sent."""
    heard: str | None = None
    """The transcript that `Script.hear` gave for its clip."""
    gone: trio.Event = field(default_factory=trio.Event)
    """Set when the client closed the connection before the answer's end."""
    done: trio.Event = field(default_factory=trio.Event)
    """Set when the request is finished."""


class Server:
    """The server's address, the requests so far, and the choice of each answer."""

    def __init__(self, script: Script, log: Callable[[Recorded], None] | None) -> None:
        self.script = script
        self.requests: list[Recorded] = []
        self.sockets: list[Socket] = []
        """The WebSocket connections so far."""
        self.streams = 0
        """The number of requests with a body of unknown length that have begun."""
        self.streamed_bytes = 0
        """How much of such bodies has come."""
        self.connections = 0
        """The number of open connections."""
        self.connected = 0
        """The number of connections opened since the start."""
        self.port = 0
        self.scheme = "http"
        self._log = log
        self._changed = trio.Event()
        self._count: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{PREFIX}"

    @property
    def broken(self) -> list[str]:
        """The rule that each wrong request broke."""
        return [request.broken for request in self.requests if request.broken]

    def posts(self, path: str = "") -> list[Recorded]:
        return [r for r in self.requests if r.method == "POST" and path in r.path]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the server's state is true."""
        while not condition():
            await self._changed.wait()

    def notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def next_fault(self, path: str) -> Fault | None:
        number = self._count["faults"]
        self._count["faults"] += 1
        if self.script.faults:
            return self.script.faults.pop(0)
        return self.script.fault(path, number) if self.script.fault is not None else None

    def next_socket_fault(self) -> SocketFault:
        faults = self.script.socket_faults
        return (faults.pop(0) if faults else None) or SocketFault()

    def drop_sockets(self) -> None:
        """Close all WebSocket connections."""
        for socket in self.sockets:
            socket.scope.cancel("dropped")

    def next_text(self) -> str:
        """The text of the next utterance that a WebSocket brings."""
        number = self._count["sockets"]
        self._count["sockets"] += 1
        return str(answers.take(self.script.texts, number))

    def answer(self, request: Recorded) -> Plain:
        """The answer without faults. Wrong requests are refused, as by the real server."""
        path = request.path.removeprefix(PREFIX)
        if request.method in {"GET", "HEAD"}:
            if path == "/models":
                return answers.models(self.script, request.query)
            return answers.page(self.script.pages.get(f"{path}?{request.query}", self.script.pages.get(path, 404)))
        if path not in rules.RULES:
            return answers.error(404, f"no path {request.path}")
        if self.script.key is not None and request.headers.get("authorization") != f"Bearer {self.script.key}":
            return answers.error(401)
        request.broken = rules.broken(path, request.headers, request.body, openai=self.script.openai)
        if request.broken:
            return answers.error(400, request.broken)
        if self.script.refuse is not None and self.script.refuse(request.body):
            return answers.error(400, "Provider returned error")
        if self.script.models is not None and request.body["model"] not in self.script.models:
            return answers.error(404, f"No endpoints found for {request.body['model']}.")
        number = self._count[path]
        self._count[path] += 1
        if path == "/audio/transcriptions":
            return answers.transcription(self.script, request.body, number, heard=request.heard)
        return (answers.speech if path == "/audio/speech" else answers.chat)(self.script, request.body, number)

    def finish(self, request: Recorded) -> None:
        request.done.set()
        if self._log is not None:
            self._log(request)
        self.notify()
