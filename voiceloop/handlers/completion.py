"""The tolerant reader of /chat/completions answers: turns a body into deltas (text, sound, usage, tool calls). Pure.

Servers differ. What is read, beside what OpenAI documents:

- bodies: a stream of events, or one JSON object (also where a stream was asked for), whatever the Content-Type says;
- keep-alives: comments, empty events, `null`, `[]`, `"ping"`, bare words;
- text: `delta`, `message` or `text` of a choice; content as a string or as parts; refusals;
- ends: `[DONE]`, a `finish_reason`, or both; a last event without its blank line;
- errors: in the event, in the choice, as a list, as an object of the type `error`.

Thoughts (`thoughts.py`) and tool calls (`tool_call_reader.py`) are read by modules of their own.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from voiceloop.handlers.thoughts import Thoughts
from voiceloop.handlers.tool_call_reader import BrokenCalls, ToolCall, ToolCallReader
from voiceloop.net.failures import Where, bad_answer, from_error_object
from voiceloop.net.redaction import safe_id
from voiceloop.net.server_errors import error_in
from voiceloop.net.sse import SseOverflow, SseParser
from voiceloop.net.usage import usage
from voiceloop.net.values import Halves
from voiceloop.types import Usage

WHOLE_LIMIT = 16 * 1024 * 1024
"""The most bytes of an answer that is one JSON object."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of spoken answer: int16 mono PCM bytes that may end within a sample, and the words in it."""

    pcm: bytes = field(repr=False)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """The tool calls of an answer, and the fields that came with them and must go back in the same message."""

    calls: tuple[ToolCall, ...]
    fields: dict[str, Any]


_DEFAULT_ERROR = {"code": 502, "message": "finish_reason: error"}
"""The error to assume when the server gives only `finish_reason: error` and no details."""
_SPOKEN_PARTS = frozenset({"text", "output_text", "refusal"})
_THINKING_PARTS = frozenset({"thinking", "reasoning"})

Delta = str | Usage | Sound | Calls
"""A piece of the answer: text or sound; at its end its usage and, last, its tool calls."""


class CompletionReader:
    """Parses the body of one answer, in pieces cut anywhere.

    Raises the `ServiceError` that an error in the body stands for, and `BadAnswer` when the body is not a completion.
    """

    def __init__(self, where: Where, generation_id: str | None) -> None:
        self._where, self._id = where, generation_id
        self._events = SseParser()
        self._whole: list[bytes] | None = None
        """The pieces of a body that is one JSON object; None for a stream of events."""
        self._size = 0
        """Bytes of the body so far, while they are kept."""
        self._begun = False
        self._calls, self._thoughts = ToolCallReader(), Thoughts()
        self._halves = Halves()
        self._by_delta = False
        """Text has come by `delta`: a `message` that follows repeats it."""
        self.done = False
        """`[DONE]` has arrived: the rest of the body is ignored."""
        self.finished = False
        """The answer is complete: a `finish_reason` or `[DONE]` has arrived (not every server sends `[DONE]`)."""
        self.reason = ""
        """The server's `finish_reason`: `stop`, `length`, `tool_calls`, `content_filter`."""
        self.signs_of_life = 0
        """How many thoughts and pieces of tool calls have come: the model is at work, although nothing can be said."""
        self.completion = False
        """Whether anything of a completion has come."""
        self.usage: Usage | None = None
        """The latest usage: some servers send it with every event."""

    def feed(self, piece: bytes) -> Iterator[Delta]:
        """Yield the deltas in `piece`. Those before an error are yielded before it is raised."""
        if not self._begun:
            piece = piece.lstrip(b"\xef\xbb\xbf \t\r\n")
            self._begun = bool(piece)
            self._whole = [] if piece[:1] in {b"{", b"["} else None
        if self._whole is not None:
            self._size += len(piece)
            if self._size > WHOLE_LIMIT:
                raise bad_answer(f"the answer is over {WHOLE_LIMIT:,} bytes long", self._where)
            self._whole.append(piece)
            return
        try:
            events = self._events.feed(piece)
        except SseOverflow as error:
            raise bad_answer(str(error), self._where) from None
        for data in events:
            yield from self._event(data)

    def end(self) -> Iterator[Delta]:
        """The body is over: yield what is left of it."""
        if self._whole is not None:
            try:
                chunk = json.loads(b"".join(self._whole))
            except (ValueError, RecursionError):
                raise bad_answer("the answer is neither events nor JSON", self._where) from None
            yield from self._chunk(chunk)
            self.finished = self.finished or self.completion
            return
        for data in self._events.end():
            yield from self._event(data, last=True)

    def calls(self) -> Calls | None:
        """The assembled tool calls, None if there are none. Call it at the end of the answer."""
        calls = self._calls.calls()
        return Calls(tuple(calls), self._thoughts.fields()) if calls else None

    def _event(self, data: str, *, last: bool = False) -> Iterator[Delta]:
        text = data.strip()
        if self.done or not text:
            return
        if text.strip('"').upper() == "[DONE]":
            self.done = self.finished = True
            return
        chunks = _parsed(text)
        if chunks is None and not last:
            raise bad_answer("an event of the answer is not JSON", self._where)
        for chunk in chunks or ():
            yield from self._chunk(chunk)
        if text.endswith("\n[DONE]"):
            self.done = self.finished = True

    def _chunk(self, chunk: Any) -> Iterator[Delta]:
        """Read an event, or a whole answer. What is no object is a keep-alive."""
        if (error := error_in(chunk)) is not None:
            raise from_error_object(error, self._where)
        if not isinstance(chunk, dict):
            return
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if not choice and chunk.get("detail"):
            raise from_error_object({"message": chunk["detail"]}, self._where)
        self.completion = self.completion or bool(choice)
        try:
            yield from self._choice(choice)
        except BrokenCalls as error:
            raise bad_answer(str(error), self._where) from None
        self._finish(choice)
        if chunk.get("usage"):
            self.usage = usage(chunk["usage"], self._id or safe_id(chunk.get("id"), self._where.hide))

    def _finish(self, choice: dict[str, Any]) -> None:
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise from_error_object(choice.get("error") or _DEFAULT_ERROR, self._where)
        if isinstance(reason, str) and reason not in {"", "null"}:
            self.finished, self.reason = True, reason

    def _choice(self, choice: dict[str, Any]) -> Iterator[Delta]:
        delta, message, text = choice.get("delta"), choice.get("message"), choice.get("text")
        if isinstance(delta, dict) and delta:
            # A closing `message` that repeats the calls must not have them made twice.
            self._by_delta = self._by_delta or bool(delta.get("tool_calls") or delta.get("function_call"))
            for item in self._delta(delta):
                self._by_delta = True
                yield item
        elif isinstance(message, dict) and not self._by_delta:
            yield from self._delta(message)
        elif isinstance(text, str):
            yield from self._text(text)

    def _delta(self, delta: dict[str, Any]) -> Iterator[Delta]:
        self.signs_of_life += self._thoughts.feed(delta)
        for key in ("content", "refusal"):
            yield from self._content(delta.get(key))
        audio = delta.get("audio")
        if isinstance(audio, dict):
            yield from self._audio(audio)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else [calls]:
            self._tool_call(call)
        if delta.get("function_call"):  # OpenAI's name of a tool call before there could be several
            self._tool_call({"function": delta["function_call"]})

    def _tool_call(self, part: Any) -> None:
        self.signs_of_life += part is not None
        self._calls.feed(part)

    def _content(self, content: Any) -> Iterator[str]:
        """The text in content: a string, or parts of which some are thoughts."""
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                yield from self._text(part)
            elif isinstance(part, dict):
                kind = part.get("type", "text")
                self.signs_of_life += kind in _THINKING_PARTS if isinstance(kind, str) else 0
                text = part.get("text") or part.get("refusal")
                if isinstance(kind, str) and kind in _SPOKEN_PARTS and isinstance(text, str):
                    yield from self._text(text)

    def _text(self, text: str) -> Iterator[str]:
        if text := self._halves.feed(text):
            yield text

    def _audio(self, audio: dict[str, Any]) -> Iterator[Sound]:
        data, text = audio.get("data"), audio.get("transcript")
        try:
            pcm = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
        except (binascii.Error, ValueError):
            raise bad_answer("the sound in the answer is not base64", self._where) from None
        text = self._halves.feed(text) if isinstance(text, str) else ""
        if pcm or text:
            yield Sound(pcm, text)


def _parsed(text: str) -> list[Any] | None:
    """The JSON values of an event; none for a bare word that keeps the connection open. None: it is broken JSON."""
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        if not text.startswith(("{", "[")):
            return []
    try:
        # Some servers end an event with one line end instead of two, so that several come as one.
        return [json.loads(line) for line in text.split("\n") if line.strip() and line.strip() != "[DONE]"]
    except (ValueError, RecursionError):
        return None
