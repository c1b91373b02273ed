"""Assembles the tool calls of a streamed answer out of their pieces, in the dialects of many servers. Pure.

    OpenAI, llama.cpp, vLLM   index and id in the first piece of a call, with its name; the others add arguments
    Gemini, some proxies      every call whole, all with the index 0, with or without an id
    others                    the name in every piece; a new id for every piece; no index; arguments as an object

So a piece belongs to the last call with its index (without one: to the last call), unless it begins another: by an id
that names another call, by another name, or by arguments that begin again when those of the call are complete.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from voiceloop.net.values import whole

MOST_CALLS = 16
"""The most tool calls in one answer; more is treated as a broken answer."""
ARGUMENTS_LIMIT = 1_000_000
"""The most characters of the arguments of one call."""
_MOST_EXTRAS = 8
_NAME_LIMIT = 1_000
"""The most characters of a name. It may come letter by letter, and is read again with each."""
_KNOWN = frozenset({"index", "id", "type", "function"})


class BrokenCalls(ValueError):
    """The tool calls are too many or too long. The message says which."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function call that the model requests. `arguments` is JSON written by the model: untrusted."""

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = field(default_factory=dict)
    """What else came with it and must go back with it, like Gemini's `extra_content` with the signature of thoughts."""


@dataclass(slots=True)
class _Call:
    """A tool call, as far as it has arrived."""

    index: int | None
    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    depth: int = 0
    """How many brackets are open at the end of the arguments."""
    in_text: bool = False
    escaped: bool = False
    complete: bool = False
    """The arguments are a whole JSON object."""
    next_id: str = ""
    """An id that came with nothing else: it may be the next call's."""

    def add(self, arguments: str) -> None:
        if arguments:
            self.pieces.append(arguments)
            self.size += len(arguments)
            for char in arguments:
                self._scan(char)

    def _scan(self, char: str) -> None:
        if self.in_text:
            self.in_text = self.escaped or char != '"'
            self.escaped = char == "\\" and not self.escaped
        elif char == '"':
            self.in_text = True
        elif char in "{[":
            self.depth, self.complete = self.depth + 1, False
        elif char in "}]":
            self.depth -= 1
            self.complete = self.depth == 0


class ToolCallReader:
    """Takes the pieces of tool calls. Raises `BrokenCalls`."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def feed(self, part: Any) -> None:
        """Add a piece: an entry of `tool_calls`. What is no object is ignored."""
        if not isinstance(part, dict):
            return
        function = part.get("function")
        function = function if isinstance(function, dict) else {}
        index, id_ = part.get("index"), _text(part.get("id"))
        name, arguments = _text(function.get("name")), _arguments(function.get("arguments"))
        call = self._call(index if isinstance(index, int) else None, id_, name, arguments)
        if name and not call.size and name != call.name:
            # A name may come in pieces, or as far as it is known.
            call.name = name if name.startswith(call.name) else call.name + name
        call.add(arguments)
        call.extra |= {key: value for key, value in part.items() if key not in _KNOWN and value is not None}
        if call.size > ARGUMENTS_LIMIT or len(call.extra) > _MOST_EXTRAS or len(call.name) > _NAME_LIMIT:
            raise BrokenCalls("a tool call in the answer is too long")

    def calls(self) -> list[ToolCall]:
        """The assembled calls, in the order of their index. Each has an id, unlike that of any other."""
        in_order = sorted(self._calls, key=lambda call: call.index or 0)
        ids: set[str] = set()
        found = []
        for number, call in enumerate(in_order):
            id_ = whole(call.id)
            if not id_ or id_ in ids:
                id_ = f"call{number:05}"  # nine letters and digits: Mistral takes nothing else
            ids.add(id_)
            arguments = whole("".join(call.pieces)).strip()
            found.append(ToolCall(id_, whole(call.name), "{}" if arguments in {"", "null"} else arguments, call.extra))
        return found

    def _call(self, index: int | None, id_: str, name: str, arguments: str) -> _Call:
        """The call that a piece belongs to, created if it is new."""
        same = next((call for call in reversed(self._calls) if id_ and call.id == id_ and call.index == index), None)
        last = same or next((call for call in reversed(self._calls) if index in (None, call.index)), None)
        if last is not None and not _begins_another(last, id_, name, arguments):
            if id_ and last.id and id_ != last.id:
                last.next_id = id_
            last.id = last.id or id_
            return last
        if (index is not None and not 0 <= index < MOST_CALLS) or len(self._calls) >= MOST_CALLS:
            raise BrokenCalls(f"the answer calls more than {MOST_CALLS} tools")
        before = last or _Call(index)
        self._calls.append(_Call(before.index, id_ or before.next_id, "" if name else before.name))
        return self._calls[-1]


def _begins_another(call: _Call, id_: str, name: str, arguments: str) -> bool:
    """Whether a piece with the index of `call` begins another call."""
    if call.complete and arguments.lstrip().startswith("{"):
        return True
    if not name or name == call.name:
        return False  # a new id alone may come with every piece
    return call.complete or bool(id_ and call.id and id_ != call.id) or bool(call.size)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    """Arguments as JSON; some servers send an object."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else _text(value)
