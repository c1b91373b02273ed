"""One request to /chat/completions, streamed: its deltas, its patience, its second attempts."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from voiceloop.errors import TimedOut
from voiceloop.handlers.completion import CompletionReader, Delta
from voiceloop.net.closing import streaming
from voiceloop.net.failures import BODY_LIMIT, bad_answer
from voiceloop.net.service import Request, Service, generation_id, refusal
from voiceloop.types import Usage

if TYPE_CHECKING:
    from voiceloop.net.http import Answer, Attempt

CHANNEL_DELTAS = 64
"""Pieces of an answer between the socket and the reply; when they are there the socket waits."""

_CUT_SHORT = {
    "length": (
        "its thoughts took all the tokens it may use",
        "Raise handler.max_tokens, or name a model that thinks less",
    ),
    "content_filter": ("its provider held the answer back", "Say it otherwise, or name another model"),
}
"""Reasons for an empty answer that a person must be told. One that stopped by itself may just have nothing to say."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a model may think, in seconds. Comment lines, with which servers keep connections open, don't count."""

    first_s: float
    between_s: float


@asynccontextmanager
async def completing(
    service: Service, body: dict[str, Any], patience: Patience
) -> AsyncIterator[trio.MemoryReceiveChannel[Delta]]:
    """The deltas of an answer, as they come. Raises `ServiceError`s on leaving; starts over after a failure only while
    nothing was given out."""
    request = Request("/chat/completions", json=body, model=str(body["model"]))

    async def produce(send: trio.MemorySendChannel[Delta]) -> None:
        await _Completing(service, request, patience, send).run()

    async with streaming(produce, CHANNEL_DELTAS) as deltas:
        yield deltas


class _Completing:
    def __init__(
        self, service: Service, request: Request, patience: Patience, send: trio.MemorySendChannel[Delta]
    ) -> None:
        self._service, self._request, self._patience, self._send = service, request, patience, send
        self._given = self._said = False

    async def run(self) -> None:
        await self._service.retry(self._request, self._attempt, may_repeat=lambda: not self._given)

    async def _attempt(self, tried: Attempt) -> None:
        with trio.move_on_after(self._patience.first_s) as scope:
            async with self._service.exchange(self._request, tried) as answer:
                await self._read(answer, scope)
        if scope.cancelled_caught:
            wait_s = self._patience.between_s if self._given else self._patience.first_s
            raise TimedOut(
                f"the model said nothing for {wait_s:g} s",
                place=str(self._service.where(self._request)),
                remedy=f"Ask again, name a faster model, or raise handler.{'next' if self._given else 'first'}_word_s",
            )

    async def _read(self, answer: Answer, scope: trio.CancelScope) -> None:
        if not answer.kind.startswith("text/event-stream"):
            what = f"the answer is {answer.kind}, not a stream of events"
            raise refusal(await answer.read(BODY_LIMIT, cut=True), answer, what)
        reader = CompletionReader(answer.where, generation_id(answer))

        async def take(piece: bytes) -> bool:
            for delta in reader.feed(piece):
                # What the listener takes its time for is not held against the server.
                scope.deadline = math.inf
                await self._give(delta)
                scope.deadline = trio.current_time() + self._patience.between_s
            return not reader.done

        await answer.drain(take)
        if not reader.finished:
            raise bad_answer("the answer ended before its end", answer.where, remedy="Ask again")
        for call in reader.tool_calls():
            await self._give(call)
        if not self._said and reader.reason in _CUT_SHORT:
            what, remedy = _CUT_SHORT[reader.reason]
            raise bad_answer(
                f"the model said nothing: {what} (finish_reason {reader.reason})", answer.where, remedy=remedy
            )

    async def _give(self, delta: Delta) -> None:
        self._given = True
        if isinstance(delta, Usage):
            self._service.spent(delta)
        else:
            self._said = True
        await self._send.send(delta)
