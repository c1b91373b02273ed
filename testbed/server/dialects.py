"""The dialects of /chat/completions: bodies as servers really send them, with what is right. Values only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.server.script import Fault

SUNNY = "It is sunny."
JSON = (("Content-Type", "application/json"),)
PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)


def data(value: Any) -> bytes:
    """An event; text is sent as it is."""
    return b"data: " + (value if isinstance(value, str) else json.dumps(value)).encode() + b"\n\n"


def chunk(finish: str | None = None, /, **delta: Any) -> dict[str, Any]:
    return {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def stream(*values: Any, done: bool = True) -> bytes:
    """A stream of events: texts as they are, bytes in place of an event, objects as JSON."""
    events = [value if isinstance(value, bytes) else data(value) for value in values]
    return b"".join([*events, data("[DONE]") if done else b""])


def sunny(*between: Any, done: bool = True) -> bytes:
    """The answer `SUNNY` with something between its words."""
    return stream(
        chunk(role="assistant", content="It is"), *between, chunk(content=" sunny."), chunk("stop"), done=done
    )


def whole(message: Mapping[str, Any], **more: Any) -> bytes:
    """A whole completion as one object."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json.dumps({"id": "gen-1", "object": "chat.completion", "choices": [choice], **more}).encode()


SPOKEN: dict[str, Fault] = {
    "keep-alive: an empty event": Fault(body=b"data:\n\n" + sunny(b"data:\n\n", b"data: \n\n")),
    "keep-alive: null": Fault(body=b"data: null\n\n" + sunny("null")),
    "keep-alive: a list": Fault(body=b"data: []\n\n" + sunny("[]")),
    "keep-alive: a text": Fault(body=b'data: "ping"\n\n' + sunny('"ping"')),
    "keep-alive: a number": Fault(body=sunny("1")),
    "keep-alive: a word": Fault(body=sunny("ping", ": keep-alive")),
    "keep-alive: an event of another name": Fault(body=sunny(b"event: ping\ndata: {}\n\n")),
    "keep-alive: a chunk without choices": Fault(body=sunny({"object": "chat.completion.chunk", "choices": []})),
    "a whole completion": Fault(body=whole({"content": SUNNY}), headers=JSON),
    "a whole completion, called a stream": Fault(body=whole({"content": SUNNY})),
    "a whole completion, in pieces": Fault(body=whole({"content": SUNNY}), headers=JSON, piece=7),
    "a stream, called JSON": Fault(body=sunny(), headers=JSON),
    "a stream, called text": Fault(body=sunny(), headers=PLAIN),
    "a finish_reason, no [DONE], and the connection stays open": Fault(body=sunny(done=False), hang="body"),
    "a finish_reason, no [DONE], and the connection breaks": Fault(
        body=sunny(done=False) + b": x\n\n", cut_after=len(sunny(done=False)) + 2
    ),
    "[DONE] alone": Fault(body=stream(chunk(content=SUNNY))),
    "the last blank line is missing": Fault(body=stream(chunk(content=SUNNY), chunk("stop"), done=False)[:-2]),
    "one line end between events": Fault(body=sunny().replace(b"\n\n", b"\n") + b"\n"),
    "a refusal": Fault(body=stream(chunk(refusal="It is"), chunk(refusal=" sunny."), chunk("stop"))),
    "message in place of delta": Fault(
        body=stream({"choices": [{"message": {"content": SUNNY}, "finish_reason": "stop"}]})
    ),
    "message after the deltas": Fault(
        body=stream(chunk(content=SUNNY), {"choices": [{"message": {"content": SUNNY}, "finish_reason": "stop"}]})
    ),
    "text in place of delta": Fault(body=stream({"choices": [{"text": SUNNY, "finish_reason": "stop"}]})),
    "content as parts": Fault(
        body=stream(
            chunk(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "Sun?"}]}]),
            chunk(content=[{"type": "text", "text": "It is"}, {"type": "text", "text": " sunny."}]),
            chunk("stop"),
        )
    ),
    "content as parts, whole": Fault(body=whole({"content": [{"type": "text", "text": SUNNY}]}), headers=JSON),
    "thoughts beside the answer": Fault(
        body=stream(
            chunk(reasoning="Hm.", content=""),
            chunk(reasoning_content="Hm."),
            chunk(thinking="Hm."),
            chunk(reasoning_details=[{"type": "reasoning.text", "text": "Hm."}]),
            chunk(content=SUNNY, reasoning=None),
            chunk("stop"),
        )
    ),
    "null everywhere": Fault(
        body=stream(
            {"choices": [{"delta": None, "finish_reason": None}], "usage": None, "error": None},
            chunk(content=None, refusal=None, tool_calls=None, function_call=None, audio=None),
            chunk(content=SUNNY),
            {"choices": [{"delta": {}, "finish_reason": ""}]},
            chunk("stop"),
        )
    ),
}
"""Answers that say `SUNNY`."""


def call(index: int | None = None, id_: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    """A piece of a tool call, without what is None."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece: dict[str, Any] = {"type": "function", "function": function}
    return piece | {key: value for key, value in (("index", index), ("id", id_)) if value is not None}


def calls(*pieces: Any) -> bytes:
    """A stream that calls tools, a piece in each event."""
    return stream(*(chunk(tool_calls=[piece]) for piece in pieces), chunk("tool_calls"))


@dataclass(frozen=True, slots=True)
class Called:
    """An answer that calls tools: its body, and the calls that are right."""

    body: bytes
    wanted: tuple[tuple[str, Any], ...]
    """The name and the arguments of each."""
    headers: tuple[tuple[str, str], ...] = field(default=())


OSLO, ROME = {"city": "Oslo"}, {"city": "Rome"}
ONE = (("weather", OSLO),)
TWO = (("weather", OSLO), ("weather", ROME))
CALLED: dict[str, Called] = {
    "repeated in a closing message": Called(
        stream(
            chunk(tool_calls=[call(0, "a", "weather", '{"city": "Oslo"}')]),
            {
                "choices": [
                    {"message": {"tool_calls": [call(0, "a", "weather", '{"city": "Oslo"}')]}, "finish_reason": "stop"}
                ]
            },
        ),
        ONE,
    ),
    "as documented": Called(
        calls(call(0, "a", "weather", ""), call(0, arguments='{"city": '), call(0, arguments='"Oslo"}')), ONE
    ),
    "the name in every piece": Called(
        calls(call(0, "a", "weather", ""), call(0, "a", "weather", '{"city": '), call(0, "a", "weather", '"Oslo"}')),
        ONE,
    ),
    "the name in pieces": Called(
        calls(call(0, "a", "wea"), call(0, "a", "ther"), call(0, "a", None, '{"city": "Oslo"}')), ONE
    ),
    "the name as far as it is known": Called(
        calls(call(0, "a", "wea"), call(0, "a", "weather"), call(0, "a", None, '{"city": "Oslo"}')), ONE
    ),
    "a new id for every piece": Called(
        calls(call(0, "a", "weather", ""), call(0, "b", None, '{"city": '), call(0, "c", None, '"Oslo"}')), ONE
    ),
    "a new id and the name in every piece": Called(
        calls(call(0, "a", "weather", ""), call(0, "b", "weather", '{"city": '), call(0, "c", "weather", '"Oslo"}')),
        ONE,
    ),
    "two calls without ids, index 0": Called(
        calls(call(0, None, "weather", '{"city": "Oslo"}'), call(0, None, "weather", '{"city": "Rome"}')), TWO
    ),
    "two calls without ids, no index": Called(
        calls(call(None, None, "weather", '{"city": "Oslo"}'), call(None, None, "weather", '{"city": "Rome"}')), TWO
    ),
    "two calls without ids, no index, in pieces": Called(
        calls(
            *(call(None, None, "weather", ""), call(None, None, None, '{"city": '), call(None, None, None, '"Oslo"}')),
            *(call(None, None, "weather", ""), call(None, None, None, '{"city": '), call(None, None, None, '"Rome"}')),
        ),
        TWO,
    ),
    "two calls with ids, index 0": Called(
        calls(call(0, "a", "weather", '{"city": "Oslo"}'), call(0, "b", "weather", '{"city": "Rome"}')), TWO
    ),
    "two different calls, index 0": Called(
        calls(call(0, "a", "weather", '{"city": "Oslo"}'), call(0, "b", "bell", "{}")),
        (("weather", OSLO), ("bell", {})),
    ),
    "two calls with the same id": Called(
        calls(call(0, "a", "weather", '{"city": "Oslo"}'), call(1, "a", "weather", '{"city": "Rome"}')), TWO
    ),
    "two calls, their pieces by turns": Called(
        calls(
            call(0, "a", "weather", ""),
            call(1, "b", "weather", ""),
            call(0, arguments='{"city": '),
            call(1, arguments='{"city": '),
            call(1, arguments='"Rome"}'),
            call(0, arguments='"Oslo"}'),
        ),
        TWO,
    ),
    "arguments as an object": Called(calls(call(0, "a", "weather", OSLO)), ONE),
    "two calls with arguments as objects": Called(
        calls(call(0, None, "weather", OSLO), call(0, None, "weather", ROME)), TWO
    ),
    "arguments as JSON within JSON": Called(calls(call(0, "a", "weather", json.dumps('{"city": "Oslo"}'))), ONE),
    'arguments "null"': Called(calls(call(0, "a", "bell", "null")), (("bell", {}),)),
    "arguments null": Called(calls(call(0, "a", "bell", None)), (("bell", {}),)),
    "arguments empty": Called(calls(call(0, "a", "bell", "")), (("bell", {}),)),
    "tool_calls as one object": Called(
        stream(chunk(tool_calls=call(0, "a", "weather", OSLO)), chunk("tool_calls")), ONE
    ),
    "finish_reason stop": Called(stream(chunk(tool_calls=[call(0, "a", "weather", OSLO)]), chunk("stop")), ONE),
    "no finish_reason": Called(stream(chunk(tool_calls=[call(0, "a", "weather", OSLO)])), ONE),
    "function_call": Called(
        stream(
            chunk(function_call={"name": "weather", "arguments": '{"city": '}),
            chunk(function_call={"arguments": '"Oslo"}'}),
            chunk("function_call"),
        ),
        ONE,
    ),
    "a whole completion": Called(
        whole({"content": None, "tool_calls": [call(None, "a", "weather", OSLO), call(None, "b", "weather", ROME)]}),
        TWO,
        JSON,
    ),
}
"""Answers that call tools: `weather(city)`, `bell()`."""

SAID: dict[str, Any] = {
    "OpenAI": {"error": {"message": "Wrong.", "type": "invalid_request_error", "param": None, "code": None}},
    "a list of details": {"detail": [{"loc": ["body", "model"], "msg": "Wrong.", "type": "missing"}]},
    "an object as detail": {"detail": {"message": "Wrong."}},
    "a text as detail": {"detail": "Wrong."},
    "a list of errors": [{"error": {"code": 400, "message": "Wrong.", "status": "INVALID_ARGUMENT"}}],
    "errors": {"errors": [{"message": "Wrong."}]},
    "a text as error": {"error": "Wrong."},
    "a name as error": {"statusCode": 400, "error": "Bad Request", "message": "Wrong."},
    "an object as message": {"error": {"message": {"detail": "Wrong."}}},
    "a message alone": {"object": "error", "message": "Wrong.", "code": 400},
    "a text alone": "Wrong.",
    "RFC 9457": {"title": "Wrong.", "status": 400},
    "OAuth": {"error": "invalid_request", "error_description": "Wrong."},
    "Amazon": {"Message": "Wrong."},
}
"""Bodies of errors that say `Wrong.`"""

TOO_LONG: dict[str, Any] = {
    "llama.cpp": {
        "error": {
            "code": 400,
            "message": "the request exceeds the available context size, try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 9000,
            "n_ctx": 4096,
        }
    },
    "OpenAI": {
        "error": {
            "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
    "vLLM": {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
    "Anthropic": {"error": {"type": "invalid_request_error", "message": "prompt is too long: 2 tokens > 1 maximum"}},
    "Gemini": [{"error": {"code": 400, "message": "The input token count (9) exceeds the maximum number of tokens"}}],
    "LM Studio": {"error": "The model is loaded with context length of only 4096 tokens"},
}
"""Bodies of errors that say that the conversation is too long."""
