"""The events of a streamed /chat/completions answer to deltas: text, sound, tool calls, usage. Pure."""

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
"""Tool calls in one answer; a model that asks for more has lost its way."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model asks for. `arguments` is JSON as the model wrote it: untrusted."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of a voice-native answer: PCM bytes that may end within a sample, and words that it says."""

    pcm: bytes = field(repr=False)
    text: str = ""


_BROKE_OFF = {"code": 502, "message": "finish_reason: error"}
"""What it comes to when a server gives no more than that."""

Delta = str | Usage | Sound | ToolCall
"""A piece of the reply; near the end what it took, and the tool calls it ends in."""


@dataclass(slots=True)
class _Call:
    """A tool call as far as it has come."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class CompletionReader:
    """Takes the body in pieces cut anywhere. Raises `ServiceError`s: for an error that the server sends in the middle,
    and `BadAnswer` for what is no completion."""

    def __init__(self, where: Where, generation_id: str | None) -> None:
        self._where, self._id = where, generation_id
        self._events = SseParser()
        self._calls: list[_Call] = []
        self._halves = Halves()
        self.done = False
        """`[DONE]` came: nothing more is wanted."""
        self.finished = False
        """The model had finished: said by a reason, as not every server sends `[DONE]`."""
        self.reason = ""
        """Why it finished, as the server says it: `stop`, `length`, `tool_calls`, `content_filter`."""

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """The deltas in `piece`, one by one: those before an error are given before it is raised."""
        try:
            events = self._events.feed(piece)
        except SseOverflow as error:
            raise bad_answer(str(error), self._where) from None
        for data in events:
            if not self.done:
                yield from self._event(data)

    def tool_calls(self) -> list[ToolCall]:
        """The calls that were put together, at the end."""
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
            raise from_error_object(choice.get("error") or _BROKE_OFF, self._where)
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
        """Calls come in pieces: the first names the function, the others add to its arguments."""
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
            raise bad_answer("a tool call of the answer never ends", self._where)

    def _call(self, index: int, id_: str) -> _Call:
        """The call that a piece belongs to: its index says so, unless its id is another; some servers number all 0."""
        for call in reversed(self._calls):
            if call.index == index and (not id_ or not call.id or call.id == id_):
                call.id = call.id or id_
                return call
        if not 0 <= index < TOOL_CALLS or len(self._calls) >= TOOL_CALLS:
            raise bad_answer(f"the answer calls more than {TOOL_CALLS} tools", self._where)
        self._calls.append(_Call(index, id_))
        return self._calls[-1]
