"""A streamed /chat/completions request: sends it, yields its deltas, and applies time-outs and retries."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from voiceloop.errors import ServiceError, TimedOut, Unreachable
from voiceloop.handlers.completion import CompletionReader, Delta
from voiceloop.handlers.public import Habits, Public
from voiceloop.net.failures import BODY_LIMIT, Where, bad_answer
from voiceloop.net.service import Request, Service, generation_id, refusal
from voiceloop.net.streaming import streaming
from voiceloop.types import Usage

if TYPE_CHECKING:
    from voiceloop.net.attempt import Attempt
    from voiceloop.net.http import Answer

CHANNEL_DELTAS = 64
"""Deltas buffered between the socket and the reply; when the buffer is full, the socket is not read."""

END_S = 1.0
"""How long the usage and `[DONE]` are waited for once a `finish_reason` has come: some servers send neither, and leave
the connection open."""

_NEVER = ("text/html", "audio/", "image/", "video/")
"""How the Content-Types begin of what is no completion. Any other may be one, whatever it is called."""

_CUT_SHORT = {
    "length": (
        "its reasoning used up the token limit",
        "Raise handler.max_tokens or max_completion_tokens, or choose a model that reasons less",
    ),
    "content_filter": (
        "its provider's content filter blocked the answer",
        "Say it differently, or choose another model",
    ),
}
"""`finish_reason`s that make an empty answer an error: the cause and the remedy. After `stop`, an empty answer may be
intended after tools have been called: the handler knows."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits for a model, in seconds: before its first delta, and between two deltas.

    SSE comment lines, with which servers keep a connection open, don't count as deltas. Thoughts and pieces of tool
    calls do: after one, the next may take as long as the first word.
    """

    first_s: float
    between_s: float


@asynccontextmanager
async def completing(
    service: Service, body: dict[str, Any], patience: Patience, habits: Habits
) -> AsyncIterator[trio.MemoryReceiveChannel[Delta]]:
    """Make the request; gives the deltas of its answer as they arrive.

    After a failure the request is repeated, but only while no delta has been given out. Raises `ServiceError`s when the
    context is left.
    """
    request = Request("/chat/completions", json=body, model=str(body["model"]))

    async def produce(send: trio.MemorySendChannel[Delta]) -> None:
        await _Completing(service, request, patience, habits, send).run()

    async with streaming(produce, CHANNEL_DELTAS) as deltas:
        yield deltas


class _Completing:
    def __init__(
        self,
        service: Service,
        request: Request,
        patience: Patience,
        habits: Habits,
        send: trio.MemorySendChannel[Delta],
    ) -> None:
        self._service, self._request, self._patience, self._send = service, request, patience, send
        self._habits = habits
        self._any_delta = False
        self._any_thought = False
        """Whether anything of an answer has come, were it a thought: it is paid for, so it isn't asked for again."""
        self._any_content = False
        """Whether a delta other than usage has come."""

    async def run(self) -> None:
        await self._service.retry(
            self._request, self._attempt, may_repeat=lambda: not (self._any_delta or self._any_thought)
        )

    async def _attempt(self, tried: Attempt) -> None:
        public = Public(self._habits)
        failure: ServiceError | None = None
        try:
            await self._ask(tried, public)
        except ServiceError as error:
            failure = error
        if failure is not None:
            await self._send_delta(public.end(complete=False))
            raise failure

    async def _ask(self, tried: Attempt, public: Public) -> None:
        reader: CompletionReader | None = None
        with trio.move_on_after(self._patience.first_s) as scope:
            async with self._service.exchange(self._request, tried) as answer:
                if answer.kind.lower().startswith(_NEVER):
                    what = f"the answer is {answer.kind}, not a stream of events"
                    raise refusal(await answer.read(BODY_LIMIT, cut=True), answer, what)
                reader = CompletionReader(answer.where, generation_id(answer))
                try:
                    await self._read(answer, reader, public, scope)
                finally:
                    self._service.spent(reader.usage)
        if scope.cancelled_caught and (reader is None or not reader.finished):
            wait_s = self._patience.between_s if self._any_delta else self._patience.first_s
            key = "next_word_s" if self._any_delta else "first_word_s"
            raise TimedOut(
                f"the model sent nothing for {wait_s:g} s",
                place=str(self._service.where(self._request)),
                remedy=f"Ask again, choose a faster model, or raise handler.{key}",
            )
        if reader is not None:
            await self._send_delta(public.end(complete=reader.reason != "length"))
            await self._end(reader, self._service.where(self._request))

    async def _read(self, answer: Answer, reader: CompletionReader, public: Public, scope: trio.CancelScope) -> None:
        async def take(piece: bytes) -> bool:
            signs, finished, came = reader.signs_of_life, reader.finished, False
            for delta in reader.feed(piece):
                # Time that the consumer takes for a delta doesn't count against the server.
                scope.deadline, came = math.inf, True
                self._any_delta = True
                await self._send_delta(public.feed(delta))
            self._any_thought = self._any_thought or reader.signs_of_life > signs
            if came or reader.signs_of_life > signs or reader.finished > finished:
                scope.deadline = trio.current_time() + self._next_s(reader, came=came)
            return not reader.done

        try:
            await answer.drain(take)
        except (Unreachable, TimedOut):
            if not reader.finished:  # else it is complete, however the connection ended
                raise
        for delta in reader.end():
            scope.deadline = math.inf
            await self._send_delta(public.feed(delta))
        if not reader.finished:
            known = reader.completion or answer.kind.startswith(("text/event-stream", "application/json"))
            what = "the answer broke off before its end" if known else f"the answer is {answer.kind}, not a completion"
            raise bad_answer(what, answer.where, remedy="Ask again" if known else "")

    def _next_s(self, reader: CompletionReader, *, came: bool) -> float:
        """How long the server may be silent now. `came`: with words."""
        if reader.finished and not came:  # some servers say "stop" beside every word
            return END_S
        # A model that thinks has said nothing yet.
        return self._patience.between_s if self._any_content else self._patience.first_s

    async def _end(self, reader: CompletionReader, where: Where) -> None:
        """Send what comes at the end of an answer: its usage and its tool calls."""
        if reader.usage is not None:
            await self._send_delta(reader.usage)
        if (calls := reader.calls()) is not None:
            await self._send_delta(calls)
        if not self._any_content and reader.reason in _CUT_SHORT:
            what, remedy = _CUT_SHORT[reader.reason]
            raise bad_answer(
                f"the model's answer is empty: {what} (finish_reason {reader.reason})", where, remedy=remedy
            )

    async def _send_delta(self, delta: Delta | None) -> None:
        """Give out a delta. None: there is nothing for the user."""
        if delta is None:
            return
        self._any_delta = True
        self._any_content = self._any_content or not isinstance(delta, Usage)
        await self._send.send(delta)
