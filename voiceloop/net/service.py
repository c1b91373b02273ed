"""A service: one server with its address and key; makes requests with retries. Only `http.py` imports httpx."""

from __future__ import annotations

import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from voiceloop.config.address import shown_server
from voiceloop.config.server_tables import Endpoint, OpenRouter
from voiceloop.errors import BadRequest, ContextTooLong, NoSuchModel, NotRunning, RateLimited, ServiceError
from voiceloop.net.attempt import Attempt
from voiceloop.net.failures import BODY_LIMIT, Where, bad_answer, from_error_object, from_status
from voiceloop.net.keys import Key
from voiceloop.net.pool import Pool
from voiceloop.net.redaction import Redaction, safe_id, secrets_of
from voiceloop.net.retry import Failure, gave_up, next_wait_s
from voiceloop.net.server_errors import error_in
from voiceloop.net.true_costs import parse_cost
from voiceloop.net.upload import Upload
from voiceloop.types import Usage

if TYPE_CHECKING:
    from voiceloop.net.catalogue import Model
    from voiceloop.net.http import Answer
    from voiceloop.net.limits import Room
    from voiceloop.net.websocket import WebSocket

JSON_LIMIT = 16 * 1024 * 1024
"""Maximum bytes of a JSON answer. The longest real one, the list of models, has about 1 MB."""
_TABLES = {
    "/audio/transcriptions": "transcribe",
    "/realtime": "transcribe",
    "/audio/speech": "speak",
    "/chat/completions": "handler",
}
"""The config table with the options of each request, for error messages."""
GENERATION_ID = "x-generation-id"
"""The header with the provider's id of a request."""

COST_AFTER_S = (3.0, 10.0, 30.0)
"""How long the cost of a request is waited for before it is asked for, and asked for again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a part, without the address and key of the server."""

    path: str
    """Path below the base URL, beginning with a slash."""
    json: Any = field(default=None, repr=False)
    method: str = "POST"
    params: Mapping[str, str] | None = None
    body: tuple[str, bytes] | None = field(default=None, repr=False)
    """Content type and bytes of a body that is not JSON, or whose JSON, with `json` in it, was made already."""
    upload: Upload | None = field(default=None, repr=False)
    """A body that is still being made."""
    model: str = ""
    """The model to name in errors."""


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """The JSON object of an answer, and the provider's id of the request."""

    value: dict[str, Any]
    generation_id: str | None


class Service:
    """One server with its address, key, timeouts and retry policy.

    `table` is the config table that names the server. `advise` returns a hint (similar names) when the server refuses
    a model or voice.
    """

    def __init__(
        self,
        pool: Pool,
        settings: Endpoint,
        key: Key | None,
        table: str,
        advise: Callable[[Endpoint, Request], Awaitable[str]],
    ) -> None:
        self._pool, self.settings, self._key, self._table, self._advise = pool, settings, key, table, advise
        self._base_url = settings.base_url.rstrip("/")
        secrets = secrets_of(self._base_url, os.environ)
        self.hide = key.redaction(secrets) if key is not None else Redaction(secrets)
        """Removes the key, and the passwords and tokens of addresses, from a text."""
        self.character_usd: float | None = None
        """The listed price of the speech model in USD per character; None when unknown."""
        self._tells_costs = isinstance(settings, OpenRouter)
        """Whether it may say later what a request has cost: a gateway need not know."""
        self.listed: Model | None = None
        """The model's row in the server's listing; None when unknown."""

    def __repr__(self) -> str:
        return f"Service({self.shown_url})"

    @property
    def shown_url(self) -> str:
        """The address without password and query, for display."""
        return self._shown("")

    def where(self, request: Request) -> Where:
        """What errors say about a request: never the key, nor the address's password or query."""
        if self._key is None:
            key_place = f"{self._table}.api_key_env is empty"
        elif self.settings.api_key_env and os.environ.get(self.settings.api_key_env):
            key_place = self.settings.api_key_env
        else:
            key_place = str(self.settings.api_key_file)
        return Where(
            url=self._shown(request.path),
            model=request.model,
            key_place=key_place,
            table=_TABLES.get(request.path, self._table),
            hide=self.hide,
        )

    def _shown(self, path: str) -> str:
        return shown_server(self._base_url) + path

    def _headers(self, request: Request) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._key is not None:
            headers["Authorization"] = self._key.header()
        if self.settings.referer:
            headers["HTTP-Referer"] = self.settings.referer
        if self.settings.title:
            headers["X-OpenRouter-Title"] = self.settings.title
        if request.json is not None:
            headers["Content-Type"] = "application/json"
        elif request.body is not None:
            headers["Content-Type"] = request.body[0]
        elif request.upload is not None:
            headers["Content-Type"] = request.upload.kind
        return headers

    async def call(self, request: Request) -> JsonAnswer:
        """Send a request and return the JSON object of the answer, with retries. Raises `ServiceError`s."""

        async def attempt(tried: Attempt) -> JsonAnswer:
            async with self.exchange(request, tried) as answer:
                return _parsed(await answer.read(JSON_LIMIT), answer)

        return await self.retry(request, attempt)

    async def call_once(self, request: Request, tried: Attempt) -> JsonAnswer:
        """As `call`, but in one attempt, which the caller has counted (`passed`). For a body that can't be sent
        again."""
        try:
            async with self.exchange(request, tried) as answer:
                parsed = _parsed(await answer.read(JSON_LIMIT), answer)
        except RateLimited as error:
            self._pool.gate.refused(self.shown_url, error.retry_after_s)
            raise
        self._pool.gate.accepted(self.shown_url)
        self._pool.answers(self.shown_url)
        return parsed

    def wait_s(self, error: ServiceError, elapsed_s: float, *, stale: bool) -> float | None:
        """How long to wait until a request is sent again whose first attempt failed after `elapsed_s`, `stale` on a
        connection that had been idle; None if it is not to be sent again."""
        return next_wait_s(self.settings.retry, error, Failure(1, elapsed_s, stale=stale), chance=random.random())

    @asynccontextmanager
    async def exchange(self, request: Request, tried: Attempt) -> AsyncIterator[Answer]:
        """Make one attempt. The answer has a 2xx status and an unread body; any other raises a `ServiceError`."""
        from voiceloop.net.http import Call

        http = await self._pool.http()
        content = None if request.body is None else request.body[1]
        if request.json is not None and content is None:
            # A lone surrogate from a handler can't be encoded. It is replaced, so that it doesn't fail the turn.
            content = json.dumps(request.json, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        call = Call(
            method=request.method,
            url=self._base_url + request.path,
            where=self.where(request),
            connect_s=self.settings.connect_timeout_s,
            read_s=self.settings.read_timeout_s,
            headers=self._headers(request),
            content=content,
            upload=request.upload,
            params=request.params,
        )
        try:
            async with http.exchange(call, tried) as answer:
                if not 200 <= answer.status < 300:
                    body = await answer.read(BODY_LIMIT, cut=True)
                    raise from_status(answer.status, answer.headers, body, answer.where)
                yield answer
        except trio.Cancelled:
            # Cancelling an HTTP/1.1 exchange closes its connection: open the next one in advance.
            self._pool.soon(self.warm)
            raise

    @asynccontextmanager
    async def websocket(self, request: Request) -> AsyncIterator[WebSocket]:
        """Open a WebSocket, in one attempt; inside, what is lost or refused raises `ServiceError`s, too."""
        from voiceloop.net.http import Call
        from voiceloop.net.websocket import open_websocket

        http, limit_s, headers = await self._pool.http(), self.settings.connect_timeout_s, self._headers(request)
        url, where = self._base_url + request.path, self.where(request)
        call = Call("GET", url, where, limit_s, limit_s, headers=headers, params=request.params)
        async with open_websocket(http, call) as socket:
            yield socket

    async def retry(
        self,
        request: Request,
        attempt: Callable[[Attempt], Awaitable[T]],
        *,
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> T:
        """Call `attempt` until it succeeds or the policy gives up. Raises the last `ServiceError`.

        `may_repeat` returns whether the work can still be started again from the beginning.
        """
        http = await self._pool.http()
        gate, policy = self._pool.gate, self.settings.retry
        number, trying_s = 0, 0.0
        while True:
            number += 1
            if request.method == "POST":
                await gate.passed(self.shown_url)  # this wait does not count towards max_elapsed_s
            began = trio.current_time()
            # The first attempt may take as long as the timeouts allow, each retry only what is left of max_elapsed_s.
            tried = Attempt() if number == 1 else Attempt(number, began + policy.max_elapsed_s - trying_s)
            try:
                result = await attempt(tried)
            except ServiceError as error:
                trying_s += trio.current_time() - began
                failure = Failure(number, trying_s, stale=not tried.connected and not tried.heard)
                wait_s = self._next_wait_s(error, failure) if may_repeat() else None
                if wait_s is None:
                    error.attempts = number
                    raise await self._with_advice(_with_note(error, gave_up(error, failure)), request) from None
                if failure.stale:  # the other idle connections are no better: the next attempt takes a new one
                    await http.drop(self._base_url)
                self._pool.tell("net.retry", attempt=number, wait_s=round(wait_s, 3), error=str(error))
                # Being rate-limited is not a failure; and a server that isn't running is given up before that is read.
                if number > 1 and not isinstance(error, RateLimited | NotRunning):
                    self._pool.fails(self.shown_url, error, policy.max_elapsed_s)
            else:
                gate.accepted(self.shown_url)
                self._pool.answers(self.shown_url)
                return result
            await trio.sleep(wait_s)
            trying_s += wait_s

    def _next_wait_s(self, error: ServiceError, failure: Failure) -> float | None:
        if isinstance(error, RateLimited):
            self._pool.gate.refused(self.shown_url, error.retry_after_s)
        return next_wait_s(self.settings.retry, error, failure, chance=random.random())

    @property
    def room(self) -> Room:
        """What is left of the session's limits now."""
        return self._pool.gate.room()

    @property
    def has_room(self) -> bool:
        """Whether the session's limits allow a post now."""
        return self.room.share > 0

    async def passed(self) -> None:
        """Wait until the session's limits allow a post, and count it. Raises `LimitReached`."""
        await self._pool.gate.passed(self.shown_url)

    def spent(self, usage: Usage | None) -> None:
        """Count the cost of a request towards the session's limit."""
        self._pool.gate.spend(usage)

    def spoke(self, text: str, answer: Answer) -> Usage:
        """Count the cost of speaking `text`. Answers don't state it, so the model's listed price gives an estimate."""
        id_, price = generation_id(answer), self.character_usd
        cost = None if price is None else price * len(text)
        usage = Usage(estimated_usd=cost, characters=len(text), generation_ids=(id_,) if id_ else ())
        self._pool.gate.spend(usage)
        if self._key is not None:  # a server that needs no key is assumed to charge nothing
            self._pool.gate.by_list(price)
            if id_ and self._tells_costs:
                self._pool.soon(partial(self._ask_cost, id_, cost))
        return usage

    async def _ask_cost(self, id_: str, estimated_usd: float | None) -> None:
        """Ask for the cost of a request that was made, which the provider knows some seconds later."""
        request = Request("/generation", method="GET", params={"id": id_})
        for wait_s in COST_AFTER_S:
            await trio.sleep(wait_s)
            try:
                async with self.exchange(request, Attempt()) as answer:  # not by `call`, which may slow the posts down
                    cost = parse_cost(_parsed(await answer.read(JSON_LIMIT), answer).value)
            except ServiceError:
                continue
            if cost is not None:
                self._pool.gate.spend(self._pool.costs.settle(id_, cost, estimated_usd=estimated_usd))
                return
        self._tells_costs = False

    async def _with_advice(self, error: ServiceError, request: Request) -> ServiceError:
        """`error` with similar names as its remedy, if the model or the voice may be the cause."""
        named = isinstance(error, NoSuchModel | BadRequest) and not isinstance(error, ContextTooLong)
        nameable = named and request.model
        if nameable and (advice := await self._advise(self.settings, request)):
            error.remedy = advice
            error.args = (error.what, error.place, error.remedy)
        return error

    async def warm(self) -> None:
        """Have idle connections ready that work: ask those that may be dead, and open those that are missing. Failures
        of the service are ignored."""
        await self._pool.warm(self._base_url, self._connect)

    async def prove(self) -> None:
        """As `warm`, but open no connection."""
        await self._pool.prove(self._base_url, self._connect)

    async def _connect(self) -> None:
        from voiceloop.net.http import Call

        # A small request, free of charge, that every server answers in some way. The answer is ignored.
        request = Request("/models", method="HEAD")
        timeout_s = self.settings.connect_timeout_s
        call = Call("HEAD", f"{self._base_url}/models", self.where(request), timeout_s, timeout_s)
        http = await self._pool.http()
        async with http.exchange(call, Attempt()) as answer:
            await answer.read(BODY_LIMIT, cut=True)


def _with_note(error: ServiceError, note: str) -> ServiceError:
    if note:
        error.what = f"{error.what.rstrip('.')}; {note}"
        error.args = (error.what, error.place, error.remedy)
    return error


def _parsed(body: bytes, answer: Answer) -> JsonAnswer:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_answer(f"the answer is not JSON ({answer.kind})", answer.where, status=answer.status) from None
    if not isinstance(value, dict):
        raise bad_answer("the answer is JSON, but not an object", answer.where, status=answer.status)
    if (error := error_in(value)) is not None:
        raise from_error_object(error, answer.where, status=answer.status)
    return JsonAnswer(value, generation_id(answer))


def generation_id(answer: Answer) -> str | None:
    """The provider's id of a request; None when it is missing or malformed, or holds the key."""
    return safe_id(answer.headers.get(GENERATION_ID), answer.where.hide)


def refusal(body: bytes, answer: Answer, what: str) -> ServiceError:
    """The error for a 200 with the wrong kind of body: the error that the body contains, else `what`."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return bad_answer(what, answer.where, status=answer.status)
    error = error_in(value)
    return from_error_object(error, answer.where) if error else bad_answer(what, answer.where)
