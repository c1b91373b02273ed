"""The events of a streamed /chat/completions answer to deltas of text. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from voiceloop.net.failures import Where, bad_answer, from_error_object
from voiceloop.net.sse import SseOverflow, SseParser
from voiceloop.net.usage import usage
from voiceloop.types import Usage

Delta = str | Usage
"""A piece of the reply, or, once near the end, what it took."""


class CompletionReader:
    """Takes the body in pieces cut anywhere. Raises `ServiceError`s: for an error that the server sends in the middle,
    and `BadAnswer` for what is no completion."""

    def __init__(self, where: Where, generation_id: str | None) -> None:
        self._where, self._id = where, generation_id
        self._events = SseParser()
        self.done = False
        """`[DONE]` came: nothing more is wanted."""
        self.finished = False
        """The model had finished: said by a reason, as not every server sends `[DONE]`."""

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """The deltas in `piece`, one by one: those before an error are given before it is raised."""
        try:
            events = self._events.feed(piece)
        except SseOverflow as error:
            raise bad_answer(str(error), self._where) from None
        for data in events:
            if not self.done:
                yield from self._event(data)

    def _event(self, data: str) -> list[Delta]:
        if data.strip() == "[DONE]":
            self.done = self.finished = True
            return []
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise bad_answer("an event of the answer is not JSON", self._where) from None
        if not isinstance(chunk, dict):
            raise bad_answer("an event of the answer is JSON, but not an object", self._where)
        if chunk.get("error"):
            raise from_error_object(chunk["error"], self._where)
        return self._chunk(chunk)

    def _chunk(self, chunk: dict[str, Any]) -> list[Delta]:
        deltas: list[Delta] = []
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, dict) else None
        if isinstance(content, str) and content:
            deltas.append(content)
        self.finished = self.finished or bool(choice.get("finish_reason"))
        if chunk.get("usage"):
            id_ = chunk.get("id")
            deltas.append(usage(chunk["usage"], self._id or (id_ if isinstance(id_, str) else None)))
        return deltas
