"""Odd values in a server's JSON: huge numbers, split characters, unusual ends of an answer."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import RecordingReply, endpoint, make_transcript, open_bench, utterance
from testbed.server import Fault, Script, open_server
from voiceloop.errors import BadAnswer, BadGateway, ServiceError
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.completion import Calls, CompletionReader
from voiceloop.handlers.tool_call_reader import ToolCall
from voiceloop.net.catalogue import parse
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer, Request
from voiceloop.net.usage import usage
from voiceloop.net.values import Halves, amount, finite, whole
from voiceloop.transcribe.answers import transcript

HUGE = 10**400
"""A number that is valid JSON but too large for a float."""
WHERE = Where("http://x/y")


@pytest.mark.parametrize("value", [HUGE, -HUGE, math.inf, math.nan, True, "1", None, [], {}])
def test_a_value_that_is_not_a_finite_number_is_none(value: Any) -> None:
    assert finite(value) is None


def test_an_amount_is_never_negative() -> None:
    assert (amount(-1), amount(0), amount(2.5)) == (None, 0.0, 2.5)


def test_numbers_of_any_length_are_accepted_in_every_answer() -> None:
    assert usage({"cost": HUGE, "seconds": HUGE, "input_tokens": HUGE}).cost_usd is None
    value = {
        "text": "hello",
        "usage": {"cost": HUGE},
        "segments": [{"avg_logprob": -HUGE, "start": 0, "end": HUGE}, {"avg_logprob": 0.0, "start": 0, "end": HUGE}],
        "words": [{"word": "hello", "start": HUGE, "end": 1}],
    }
    answer = transcript(JsonAnswer(value, None), utterance(), WHERE)
    assert (answer.text, answer.words, answer.confidence) == ("hello", (), 1.0)
    (model,) = parse({"data": [{"id": "a/b", "pricing": {"prompt": HUGE}}]})
    assert model.prices == ()


@given(st.text(st.characters(), max_size=8), st.lists(st.integers(0, 20), max_size=6))
def test_characters_split_between_pieces_are_put_together(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    edges = sorted({0, len(units), *(min(at * 2, len(units)) for at in cuts)})
    halves = Halves()
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]
    joined = "".join(map(halves.feed, pieces))
    assert joined in {whole(text), whole(text)[:-1]}
    joined.encode()


async def test_an_emoji_that_comes_in_two_halves_is_said_whole() -> None:
    halves = [b'data: {"choices":[{"delta":{"content":"hi \\ud83d"}}]}\n\n']
    halves += [b'data: {"choices":[{"delta":{"content":"\\ude00 there"},"finish_reason":"stop"}]}\n\n']
    async with (
        open_server(Script(faults=[Fault(body=b"".join(halves))])) as server,
        open_bench(endpoint(server)) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text == "hi \U0001f600 there"


async def test_half_a_character_in_a_transcript_does_not_fail_the_turn() -> None:
    answer = transcript(JsonAnswer({"text": "half \ud83d of it"}, None), utterance(), WHERE)
    assert answer.text == "half \ufffd of it"
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        # A user's handler may say any text.
        body = {"model": "a/b", "input": "half \ud83d of it", "voice": "v"}
        service = bench.clients.endpoint(endpoint(server))
        with pytest.raises(BadAnswer, match="not JSON"):  # the fake server answers with audio
            await service.call(Request("/audio/speech", json=body))
        assert server.requests[0].body["input"] == "half ? of it"


def event(**choice: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {}, **choice}]}).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("choice", "kind", "message"),
    [
        ({"finish_reason": "error"}, BadGateway, "the model's provider failed"),
        (
            {"finish_reason": "error", "error": {"code": 502, "message": "it died"}},
            BadGateway,
            "the server said: it died",
        ),
        ({"finish_reason": "length"}, BadAnswer, r"\(finish_reason length\)\. Raise handler\.max_tokens"),
        ({"finish_reason": "content_filter"}, BadAnswer, "content filter blocked the answer"),
    ],
)
async def test_an_answer_with_a_bad_finish_reason_is_an_error(
    choice: dict[str, Any], kind: type[ServiceError], message: str
) -> None:
    script = Script(faults=[Fault(body=event(**choice))] * 20)
    async with (
        open_server(script) as server,
        open_bench(endpoint(server, retry={"max_elapsed_s": 0})) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        with pytest.raises(kind, match=message):
            await chat.handle(make_transcript(), RecordingReply())


async def test_an_empty_answer_is_told() -> None:
    async with (
        open_server(Script(faults=[Fault(body=event(finish_reason="stop"))])) as server,
        open_bench(endpoint(server)) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        with pytest.raises(BadAnswer, match="the model's answer is empty: it holds nothing that can be said"):
            await chat.handle(make_transcript(), RecordingReply())


def test_calls_that_are_all_numbered_zero_are_told_apart_by_their_ids() -> None:
    reader = CompletionReader(WHERE, None)
    for id_, name in (("c1", "bell"), ("c2", "weather")):
        call = {"index": 0, "id": id_, "function": {"name": name, "arguments": "{}"}}
        assert list(reader.feed(event(delta={"tool_calls": [call]}))) == []
    assert reader.calls() == Calls((ToolCall("c1", "bell", "{}"), ToolCall("c2", "weather", "{}")), {})
