"""Answers of /chat/completions: server-sent events, and completions in the dialects of their servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from bench.fuzz.family import Family
from bench.fuzz.mutating import ODD_TEXTS, data, encoded, nested, pieces, value
from voiceloop.errors import ServiceError
from voiceloop.handlers.completion import Calls, CompletionReader, Delta, Sound
from voiceloop.handlers.public import Habits, Public
from voiceloop.net.failures import Where
from voiceloop.net.sse import SseOverflow, SseParser

_WHERE = Where("https://example.org/v1/chat/completions", "a/model", table="handler")


def _choice(delta: Any, **more: Any) -> dict[str, Any]:
    return {"id": "gen-1", "choices": [{"index": 0, "delta": delta, **more}]}


def _call(**fields: Any) -> dict[str, Any]:
    return {"tool_calls": [fields]}


_USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "cost": 0.001}
STREAMS: tuple[tuple[Any, ...], ...] = (
    (
        _choice({"role": "assistant", "content": ""}),
        _choice({"content": "It is "}),
        _choice({"content": "four."}, finish_reason="stop"),
    ),
    (
        _choice({"reasoning": "Hm"}),
        _choice({"reasoning_details": [{"type": "reasoning.text", "text": "so", "index": 0}]}),
        _choice({"content": "<think>a</think>b"}),
    ),
    (
        _choice(_call(index=0, id="c1", type="function", function={"name": "weather", "arguments": '{"city":'})),
        _choice(
            _call(index=0, function={"arguments": ' "Bonn"}'}, extra_content={"google": {"thought_signature": "x"}})
        ),
        {"choices": [], "usage": _USAGE},
    ),
    (
        _choice(_call(function={"name": "a", "arguments": {"b": 1}})),
        _choice({"function_call": {"name": "c", "arguments": "null"}}),
    ),
    (
        _choice({"audio": {"data": "AAAA", "transcript": "Hi"}}),
        _choice({"audio": {"data": "AAEC", "transcript": " you"}}),
    ),
    (
        {
            "choices": [
                {"message": {"content": [{"type": "text", "text": "Hi"}, {"type": "thinking", "thinking": "x"}]}}
            ],
            "usage": _USAGE,
        },
    ),
    (
        _choice({"refusal": "No."}, finish_reason="content_filter"),
        {"error": {"code": 502, "message": "gone", "metadata": {"raw": "x"}}},
    ),
    (
        {"detail": [{"msg": "bad", "loc": ["body", "model", 0]}]},
        [{"error": {"message": "m", "status": "429"}}],
        None,
        [],
        "ping",
    ),
    (
        {"choices": [{"text": "old", "finish_reason": "length"}]},
        {"type": "error", "error": {"type": "overloaded_error"}},
    ),
)


def _body(random: Random) -> bytes:
    events = [json.loads(json.dumps(event)) for event in random.choice(STREAMS)]
    for _ in range(random.randint(0, 3)):
        at = random.randrange(len(events))
        events[at] = value(random, events[at])
        if random.random() < 0.3:
            events.insert(random.randint(0, len(events)), random.choice(random.choice(STREAMS)))
    if random.random() < 0.25:
        return encoded(random, events[0])
    end = random.choice(("\n\n", "\r\n\r\n", "\r\r", "\n"))
    lines = [f"data: {nested(random, '1') if random.random() < 0.03 else json.dumps(event)}{end}" for event in events]
    for _ in range(random.randint(0, 2)):
        odd = random.choice((": alive", "data:", "data: null", "data: [DONE]", "event: x", "data: ping", *ODD_TEXTS))
        lines.insert(random.randint(0, len(lines)), odd + end)
    body = "".join(lines).encode("utf-8", "surrogatepass")
    return data(random, body) if random.random() < 0.5 else body


def _read(body: list[bytes]) -> tuple[list[Delta | None], str]:
    """The public deltas of an answer, and its error."""
    found: list[Delta | None] = []
    reader, public, error = CompletionReader(_WHERE, None), Public(Habits()), ""
    try:
        for piece in body:
            found += map(public.feed, reader.feed(piece))
        found += map(public.feed, reader.end())
        found.append(reader.calls())
    except ServiceError as failed:
        error = str(failed)
        assert "\x1b" not in error
        assert len(error) < 2_000
    found.append(public.end(complete=not error))
    return found, error


def _words(deltas: list[Delta | None]) -> tuple[str, bytes, list[Any]]:
    text = "".join(
        delta if isinstance(delta, str) else delta.text for delta in deltas if isinstance(delta, str | Sound)
    )
    sound = b"".join(delta.pcm for delta in deltas if isinstance(delta, Sound))
    return text, sound, [delta for delta in deltas if isinstance(delta, Calls)]


def _completion(random: Random) -> None:
    body = _body(random)
    whole, error = _read([body])
    cut, same = _read(pieces(random, body))
    assert (*_words(whole), error) == (*_words(cut), same)
    text, _, calls = _words(whole)
    text.encode()  # no half of a surrogate pair comes through
    for found in calls:
        json.dumps([found.fields, [call.extra for call in found.calls]])  # it goes back to the server
        assert len({call.id for call in found.calls}) == len(found.calls)


def _events(random: Random) -> None:
    def read(body: list[bytes]) -> list[str]:
        parser = SseParser()
        return [event for piece in body for event in parser.feed(piece)] + parser.end()

    body = _body(random)
    with suppress(SseOverflow):
        assert read([body]) == read(pieces(random, body))


_FAMILIES: tuple[tuple[str, str, Callable[[Random], None]], ...] = (
    ("sse", "server-sent events, cut anywhere", _events),
    ("completions", "answers of language models, cut anywhere, in every dialect", _completion),
)
FAMILIES = tuple(Family(name, about, attempt) for name, about, attempt in _FAMILIES)
