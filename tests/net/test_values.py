"""Values out of a server's JSON that are no use to anybody, and what becomes of them."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import Said, endpoint, heard, open_bench, utterance
from testbed.server import Fault, Script, open_server
from voiceloop.errors import BadAnswer, BadGateway, ServiceError
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.completion import CompletionReader, ToolCall
from voiceloop.net.catalogue import parse
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer, Request
from voiceloop.net.usage import usage
from voiceloop.net.values import Halves, amount, finite, whole
from voiceloop.transcribe.answers import transcript

HUGE = 10**400
"""A number that JSON may hold and no float can."""
WHERE = Where("http://x/y")


@pytest.mark.parametrize("value", [HUGE, -HUGE, math.inf, math.nan, True, "1", None, [], {}])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert finite(value) is None


def test_an_amount_is_never_negative() -> None:
    assert (amount(-1), amount(0), amount(2.5)) == (None, 0.0, 2.5)


def test_numbers_of_any_length_are_survived_in_every_answer() -> None:
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
def test_characters_parted_between_pieces_come_out_whole(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    edges = sorted({0, len(units), *(min(at * 2, len(units)) for at in cuts)})
    halves = Halves()
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]
    heard_ = "".join(map(halves.feed, pieces))
    assert heard_ in {whole(text), whole(text)[:-1]}
    heard_.encode()


async def test_an_emoji_that_comes_in_two_halves_is_said_whole() -> None:
    halves = [b'data: {"choices":[{"delta":{"content":"hi \\ud83d"}}]}\n\n']
    halves += [b'data: {"choices":[{"delta":{"content":"\\ude00 there"},"finish_reason":"stop"}]}\n\n']
    async with (
        open_server(Script(faults=[Fault(body=b"".join(halves))])) as server,
        open_bench(endpoint(server)) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        reply = Said()
        await chat.handle(heard(), reply)
        assert reply.text == "hi \U0001f600 there"


async def test_half_a_character_in_what_was_heard_costs_no_turn() -> None:
    answer = transcript(JsonAnswer({"text": "half \ud83d of it"}, None), utterance(), WHERE)
    assert answer.text == "half \ufffd of it"
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        # A handler of one's own may say anything.
        body = {"model": "a/b", "input": "half \ud83d of it", "voice": "v"}
        service = bench.clients.endpoint(endpoint(server))
        with pytest.raises(BadAnswer, match="not JSON"):  # it speaks
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
        ({"finish_reason": "content_filter"}, BadAnswer, "held the answer back"),
    ],
)
async def test_an_answer_that_ends_badly_is_said(
    choice: dict[str, Any], kind: type[ServiceError], message: str
) -> None:
    script = Script(faults=[Fault(body=event(**choice))] * 20)
    async with (
        open_server(script) as server,
        open_bench(endpoint(server, retry={"max_elapsed_s": 0})) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        with pytest.raises(kind, match=message):
            await chat.handle(heard(), Said())


async def test_a_model_may_have_nothing_to_say() -> None:
    async with (
        open_server(Script(faults=[Fault(body=event(finish_reason="stop"))])) as server,
        open_bench(endpoint(server)) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        reply = Said()
        await chat.handle(heard(), reply)
        assert reply.text == ""


def test_calls_that_are_all_numbered_zero_are_told_apart_by_their_ids() -> None:
    reader = CompletionReader(WHERE, None)
    for id_, name in (("c1", "bell"), ("c2", "weather")):
        call = {"index": 0, "id": id_, "function": {"name": name, "arguments": "{}"}}
        assert list(reader.feed(event(delta={"tool_calls": [call]}))) == []
    assert reader.tool_calls() == [ToolCall("c1", "bell", "{}"), ToolCall("c2", "weather", "{}")]
