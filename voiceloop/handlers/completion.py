"""The parser of streamed /chat/completions answers: turns events into deltas (text, sound, tool calls, usage). Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from voiceloop.net.failures import Where, bad_answer, from_error_object
from voiceloop.net.sse import SseOverflow, SseParser
from voiceloop.net.usage import usage
from voiceloop.net.values import Halves, whole
from voiceloop.types import Usage

TOOL_CALLS = 16
"""The most tool calls in one answer; more is treated as a broken answer."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function call that the model requests. `arguments` is JSON written by the model: untrusted."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of spoken answer: int16 mono PCM bytes that may end within a sample, and the words in it."""

    pcm: bytes = field(repr=False)
    text: str = ""


_DEFAULT_ERROR = {"code": 502, "message": "finish_reason: error"}
"""The error to assume when the server gives only `finish_reason: error` and no details."""

Delta = str | Usage | Sound | ToolCall
"""A piece of the answer: text or sound; near the end its usage and, last, its tool calls."""


@dataclass(slots=True)
class _Call:
    """A tool call, as far as it has arrived."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class CompletionReader:
    """Parses the body of one answer, in pieces cut anywhere.

    Raises the `ServiceError` that an error event in the stream stands for, and `BadAnswer` when the stream is not a
    completion.
    """

    def __init__(self, where: Where, generation_id: str | None) -> None:
        self._where, self._id = where, generation_id
        self._events = SseParser()
        self._calls: list[_Call] = []
        self._halves = Halves()
        self.done = False
        """`[DONE]` has arrived: the rest of the body is ignored."""
        self.finished = False
        """The answer is complete: a `finish_reason` or `[DONE]` has arrived (not every server sends `[DONE]`)."""
        self.reason = ""
        """The server's `finish_reason`: `stop`, `length`, `tool_calls`, `content_filter`."""

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """Yield the deltas in `piece`. Those before an error are yielded before it is raised."""
        try:
            events = self._events.feed(piece)
        except SseOverflow as error:
            raise bad_answer(str(error), self._where) from None
        for data in events:
            if not self.done:
                yield from self._event(data)

    def tool_calls(self) -> list[ToolCall]:
        """The assembled tool calls, in the order of their index. Call it at the end of the answer."""
        in_order = sorted(self._calls, key=lambda call: call.index)
        return [ToolCall(whole(call.id), whole(call.name), whole(call.arguments)) for call in in_order]

    def _event(self, data: str) -> Iterator[Delta]:
        if data.strip() == "[DONE]":
            self.done = self.finished = True
            return
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise bad_answer("an event of the answer is not JSON", self._where) from None
        if not isinstance(chunk, dict):
            raise bad_answer("an event of the answer is JSON, but not an object", self._where)
        if chunk.get("error"):
            raise from_error_object(chunk["error"], self._where)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta")
        if isinstance(delta, dict):
            yield from self._delta(delta)
        self._finish(choice)
        if chunk.get("usage"):
            id_ = chunk.get("id")
            yield usage(chunk["usage"], self._id or (id_ if isinstance(id_, str) else None))

    def _finish(self, choice: dict[str, Any]) -> None:
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise from_error_object(choice.get("error") or _DEFAULT_ERROR, self._where)
        if isinstance(reason, str) and reason:
            self.finished, self.reason = True, reason

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        content = delta.get("content")
        if isinstance(content, str) and (text := self._halves.feed(content)):
            yield text
        audio = delta.get("audio")
        if isinstance(audio, dict):
            yield from self._audio(audio)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            self._tool_call(call)

    def _audio(self, audio: dict[str, Any]) -> Iterator[Sound]:
        data, text = audio.get("data"), audio.get("transcript")
        try:
            pcm = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
        except (binascii.Error, ValueError):
            raise bad_answer("the sound in the answer is not base64", self._where) from None
        text = self._halves.feed(text) if isinstance(text, str) else ""
        if pcm or text:
            yield Sound(pcm, text)

    def _tool_call(self, part: Any) -> None:
        """Add a piece to its call: the first piece names the function, the others extend its arguments."""
        if not isinstance(part, dict):
            return
        index, id_ = part.get("index", 0), part.get("id")
        call = self._call(index if isinstance(index, int) else 0, id_ if isinstance(id_, str) else "")
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        if isinstance(function.get("name"), str):
            call.name += function["name"]
        if isinstance(function.get("arguments"), str):
            call.arguments += function["arguments"]
        if len(call.arguments) > 1_000_000:
            raise bad_answer("a tool call in the answer is too long", self._where)

    def _call(self, index: int, id_: str) -> _Call:
        """The call that a piece belongs to, created if it is new.

        Calls are matched by index and, where there is one, by id: some servers give every call the index 0.
        """
        for call in reversed(self._calls):
            if call.index == index and (not id_ or not call.id or call.id == id_):
                call.id = call.id or id_
                return call
        if not 0 <= index < TOOL_CALLS or len(self._calls) >= TOOL_CALLS:
            raise bad_answer(f"the answer calls more than {TOOL_CALLS} tools", self._where)
        self._calls.append(_Call(index, id_))
        return self._calls[-1]
