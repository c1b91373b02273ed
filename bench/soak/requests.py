"""Makes many requests with random faults from a seed, and counts leaks. Run by `scripts/bench soak-http`."""

from __future__ import annotations

import gc
import random
import resource
import sys
import warnings
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from testbed.http_parts import Bench, RecordingReply, endpoint, open_bench, utterance
from testbed.leaks import open_files
from testbed.server import Fault, Script, Server, open_server
from voiceloop.config.tables import Retry
from voiceloop.errors import ServiceError
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber

AT_ONCE = 8
"""Requests at the same time, as of a few turns that overlap."""
STATUSES = (400, 401, 402, 404, 408, 500, 502, 503, 524, 529)
"""All but 429: the client waits as long as a 429 asks it to, and has tests of its own for that."""


def fault(chance: random.Random) -> Fault | None:
    """A random fault for one request; None for half of the requests."""
    status = Fault(status=chance.choice(STATUSES))
    odd = Fault(body=chance.choice([b"", b"{", b"<p>", b'{"error": {"code": 502, "message": "x"}}', b"data: {\n\n"]))
    return chance.choices(
        [
            None,
            status,
            odd,
            Fault(drop=True),
            Fault(cut_after=chance.randrange(20_000)),
            Fault(piece=chance.randrange(1, 3_000)),
            Fault(hang=chance.choice(["head", "body"])),
            Fault(head_after_s=chance.random() / 50),
            Fault(repeat=True, body=bytes(8_192)),
        ],
        weights=[50, 12, 6, 6, 8, 8, 3, 5, 2],
    )[0]


@dataclass
class Figures:
    """The results. Anything but zero in `left` is a leak."""

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rules_broken: int = 0
    connections_opened: int = 0
    left: dict[str, int] = field(default_factory=dict)
    memory_mb: list[float] = field(default_factory=list)
    """Resident memory after each tenth of the requests. The allocator makes it vary."""
    blocks: list[int] = field(default_factory=list)
    """Python's allocations at the same moments. These show a leak exactly."""
    seconds: float = 0.0


def resident_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1e6


class Soak:
    """Uses the transcriber, the synthesiser and the chat handler `count` times in all; cancels some uses at random."""

    def __init__(self, count: int, seed: int) -> None:
        self._plan = random.Random(seed)
        self._left = count
        self._tenth = max(count // 10, 1)
        self.figures = Figures()

    async def run(self) -> Figures:
        began = trio.current_time()
        faults = random.Random(self._plan.random())
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            gc.collect()
            files, tasks = open_files(), trio.lowlevel.current_statistics().tasks_living
            async with open_server(Script(fault=lambda _path, _number: fault(faults))) as server:
                await self._clients(server)
                await server.until(lambda: not server.connections)
                self.figures.left["connections"] = server.connections
            gc.collect()
            self.figures.left["unclosed"] = len(seen)
        self.figures.left["files"] = open_files() - files
        self.figures.left["tasks"] = trio.lowlevel.current_statistics().tasks_living - tasks
        self.figures.seconds = trio.current_time() - began
        return self.figures

    async def _clients(self, server: Server) -> None:
        settings = endpoint(
            server,
            read_timeout_s=0.5,
            retry=Retry(initial_ms=1, max_interval_ms=5, max_elapsed_s=2.0),
        )
        async with open_bench(settings) as bench, AsyncExitStack() as stack:
            parts = await _Parts.open(bench, stack)
            async with trio.open_nursery() as nursery:
                for _ in range(AT_ONCE):
                    nursery.start_soon(self._worker, parts, server, bench, name="soak worker")

    async def _worker(self, parts: _Parts, server: Server, bench: Bench) -> None:
        while self._left > 0:
            self._left -= 1
            kind = self._plan.choice(["transcribe", "speak", "chat"])
            patience_s = self._plan.random() * 0.05 if self._plan.random() < 0.2 else 30.0
            outcome = "cancelled"
            with trio.move_on_after(patience_s):
                outcome = await _outcome(parts, kind)
            self.figures.outcomes[outcome] += 1
            self._account(server, bench)

    def _account(self, server: Server, bench: Bench) -> None:
        self.figures.requests = sum(self.figures.outcomes.values())
        self.figures.rules_broken += len(server.broken)
        self.figures.connections_opened = server.connected
        server.requests.clear()
        bench.events.clear()
        if self.figures.requests % self._tenth == 0:
            gc.collect()
            self.figures.memory_mb.append(resident_mb())
            self.figures.blocks.append(sys.getallocatedblocks())


@dataclass(frozen=True)
class _Parts:
    transcriber: OpenRouterTranscriber
    synthesizer: OpenRouterSynthesizer
    chat: ChatHandler

    @classmethod
    async def open(cls, bench: Bench, stack: AsyncExitStack) -> _Parts:
        await bench.clients.pool.http()
        enter, services = stack.enter_async_context, bench.services
        chat = ChatOptions(model="a/b", first_word_s=1.0, next_word_s=0.5)
        return cls(
            await enter(OpenRouterTranscriber.open(OpenRouterTranscribeOptions(model="a/b"), services)),
            await enter(OpenRouterSynthesizer.open(OpenRouterSpeakOptions(model="a/b", voice="v"), services)),
            await enter(ChatHandler.open(chat, services)),
        )


CLIP = utterance(0.1)
ENOUGH = 50
"""Pieces of speech to take before leaving the stream, as a barge-in does: a fault makes some streams endless."""


async def _outcome(parts: _Parts, kind: str) -> str:
    try:
        match kind:
            case "transcribe":
                async with parts.transcriber.transcription() as transcription:
                    await transcription.finish(CLIP)
            case "speak":
                async with parts.synthesizer.speech("hello") as pieces:
                    await _listen(pieces)
            case _:
                await parts.chat.handle(_heard(), RecordingReply())
    except ServiceError as error:
        return type(error).__name__
    return "done"


async def _listen(pieces: trio.MemoryReceiveChannel[Any]) -> None:
    count = 0
    async for _ in pieces:
        count += 1
        if count > ENOUGH:
            return


def _heard() -> Any:
    from voiceloop.types import Transcript

    return Transcript("hello", CLIP)
