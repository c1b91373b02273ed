"""Opens the parts that use HTTP against a test server, without a config file. Also a reply that records."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import trio

from testbed.server import Server
from voiceloop.config.tables import Endpoint, OpenRouter, Retry
from voiceloop.net.client import Clients, open_clients
from voiceloop.plugins import Services
from voiceloop.types import CAPTURE_RATE_HZ, Message, Speech, Transcript, Usage, Utterance

KEY_ENV = "VOICELOOP_TEST_KEY"
os.environ.setdefault(KEY_ENV, "test-key")
FAST = Retry(initial_ms=1, max_interval_ms=2, max_elapsed_s=10.0)


def endpoint(server: Server, **changes: Any) -> OpenRouter:
    """The config of an endpoint that leads to `server`, with short waits before a retry."""
    values: dict[str, Any] = {"base_url": server.url, "api_key_env": KEY_ENV, "retry": FAST}
    return OpenRouter(**(values | changes))


@dataclass
class Bench:
    """The services that parts get, and the events that they have published."""

    services: Services
    clients: Clients
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    news: list[trio.Event] = field(default_factory=lambda: [trio.Event()])
    """The last is set by the next event."""

    async def told(self, name: str, count: int) -> list[dict[str, object]]:
        """The fields of all events of that name, as soon as there are so many."""
        while len(found := self.named(name)) < count:
            await self.news[-1].wait()
        return found

    def named(self, name: str) -> list[dict[str, object]]:
        """The fields of all events of that name so far."""
        return [fields for event, fields in self.events if event == name]


@asynccontextmanager
async def open_bench(settings: Endpoint, **tables: Any) -> AsyncIterator[Bench]:
    """Clients and services for parts whose endpoint is `settings`; `tables` are further tables of the config."""
    events: list[tuple[str, dict[str, object]]] = []

    news = [trio.Event()]

    def publish(name: str, /, **fields: object) -> None:
        events.append((name, fields))
        news[-1].set()
        news[:] = [trio.Event()]

    with TemporaryDirectory() as cache:
        async with open_clients(publish, limits=tables.get("limits"), cache=Path(cache)) as clients:
            config = cast(Any, SimpleNamespace(openrouter=settings, **tables))
            yield Bench(Services(config, clients, publish), clients, events, news)


def utterance(seconds: float = 0.5) -> Utterance:
    """A tone of 440 Hz."""
    count = int(seconds * CAPTURE_RATE_HZ)
    pcm = (np.sin(np.arange(count) * 2 * math.pi * 440 / CAPTURE_RATE_HZ) * 8_000).astype("<i2").tobytes()
    return Utterance(pcm, start=1_000, voiced_end=1_000 + count)


def make_transcript(text: str = "hello") -> Transcript:
    return Transcript(text, utterance())


class RecordingReply:
    """A reply that records what a handler gives it."""

    def __init__(self, history: tuple[Message, ...] = ()) -> None:
        self.history = history
        self.deltas: list[str] = []
        self.played: list[tuple[Speech, str]] = []
        self.usage: list[Usage] = []
        self.news = trio.Event()

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    async def say(self, delta: str) -> None:
        await trio.lowlevel.checkpoint()
        self.deltas.append(delta)
        self.news.set()

    async def play(self, speech: Speech, text: str = "") -> None:
        await trio.lowlevel.checkpoint()
        self.played.append((speech, text))
        self.news.set()

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()

    def spent(self, usage: Usage) -> None:
        self.usage.append(usage)
