"""Handler `chat`: the dialects of servers, over HTTP: streams, bodies, ends, keep-alives, tool calls, thoughts."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import RecordingReply, endpoint, make_transcript, open_bench
from testbed.server import Fault, Script, open_server
from testbed.server.dialects import CALLED, JSON, SPOKEN, SUNNY, TWO, call, calls, chunk, data, stream, sunny, whole
from tests.handlers.test_chat import open_chat
from voiceloop.errors import BadAnswer, ServiceError, TimedOut
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.completion import CompletionReader, Delta
from voiceloop.handlers.tool_call_reader import BrokenCalls, ToolCallReader
from voiceloop.net.failures import Where

LOG: list[tuple[str, dict[str, Any]]] = []
HERE = "tests.handlers.test_dialects"


def weather(city: str) -> str:
    """The weather in a city."""
    LOG.append(("weather", {"city": city}))
    return f"sunny in {city}"


def bell() -> str:
    """Ring the bell."""
    LOG.append(("bell", {}))
    return "rang"


@pytest.mark.parametrize("name", SPOKEN)
async def test_an_answer_in_any_dialect_is_spoken(name: str) -> None:
    async with open_server(Script(faults=[SPOKEN[name]])) as server, open_chat(server) as chat:
        reply = RecordingReply()
        with trio.fail_after(20):
            await chat.handle(make_transcript(), reply)
        assert reply.text == SUNNY
        assert len(server.posts()) == 1


@pytest.mark.parametrize("name", CALLED)
async def test_tool_calls_in_any_dialect_are_called_rightly(name: str) -> None:
    LOG.clear()
    case = CALLED[name]
    script = Script(faults=[Fault(body=case.body, headers=case.headers)], replies=[SUNNY])
    tools = [f"{HERE}:weather", f"{HERE}:bell"]
    async with open_server(script) as server, open_chat(server, tools=tools) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert sorted(map(str, LOG)) == sorted(map(str, case.wanted))
        assert reply.text == SUNNY
        sent = server.posts()[1].body["messages"]
        requested, results = sent[2]["tool_calls"], sent[3:]
        assert [result["tool_call_id"] for result in results] == [call["id"] for call in requested]
        assert len({call["id"] for call in requested}) == len(case.wanted)
        for (wanted, arguments), result in zip(case.wanted, results, strict=True):
            assert result["content"] == (f"sunny in {arguments['city']}" if wanted == "weather" else "rang")
        for entry in requested:
            assert isinstance(json.loads(entry["function"]["arguments"]), dict)
        assert server.broken == []


async def test_arguments_that_are_no_json_do_not_go_back() -> None:
    # llama.cpp parses those of past calls, and would refuse every later round.
    script = Script(faults=[Fault(body=calls(call(0, "a", "weather", '{"city": ')))], replies=[SUNNY])
    async with open_server(script) as server, open_chat(server, tools=[f"{HERE}:weather"]) as chat:
        await chat.handle(make_transcript(), RecordingReply())
        sent = server.posts()[1].body["messages"]
        assert sent[2]["tool_calls"][0]["function"]["arguments"] == "{}"
        assert sent[3]["content"].startswith("error: the arguments are wrong")


GOOGLE = {"google": {"thought_signature": "c2ln"}}
TEXT = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
SEALED = {"type": "reasoning.encrypted", "data": "c2VhbGVk", "id": "a", "index": 1}
BACK: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any]]] = {
    "Gemini": (
        [chunk(tool_calls=[call(0, "a", "bell", "{}") | {"extra_content": GOOGLE}])],
        {},
        {"extra_content": GOOGLE},
    ),
    "Gemini, at the message": (
        [chunk(tool_calls=[call(0, "a", "bell", "{}")], extra_content=GOOGLE)],
        {"extra_content": GOOGLE},
        {},
    ),
    "OpenRouter": (
        [
            chunk(reasoning="So ", reasoning_details=[TEXT | {"text": "So "}]),
            chunk(reasoning="ring.", reasoning_details=[TEXT | {"text": "ring."}]),
            chunk(reasoning_details=[TEXT | {"text": None, "signature": "sig"}]),
            chunk(reasoning_details=[SEALED], tool_calls=[call(0, "a", "bell", "{}")]),
        ],
        {"reasoning_details": [TEXT | {"text": "So ring.", "signature": "sig"}, SEALED]},
        {},
    ),
    "DeepSeek": (
        [
            chunk(reasoning_content="So "),
            chunk(reasoning_content="ring."),
            chunk(tool_calls=[call(0, "a", "bell", "{}")]),
        ],
        {"reasoning_content": "So ring."},
        {},
    ),
}


@pytest.mark.parametrize("name", BACK)
async def test_what_came_with_a_tool_call_goes_back_as_it_came(name: str) -> None:
    events, of_message, of_call = BACK[name]
    script = Script(faults=[Fault(body=stream(*events, chunk("tool_calls")))], replies=[SUNNY])
    async with open_server(script) as server, open_chat(server, tools=[f"{HERE}:bell"]) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        message = server.posts()[1].body["messages"][2]
        entry = {"id": "a", "type": "function", "function": {"name": "bell", "arguments": "{}"}} | of_call
        assert message == {"role": "assistant", "content": None, "tool_calls": [entry]} | of_message
        assert reply.text == SUNNY


async def test_what_the_server_does_not_take_back_is_left_out() -> None:
    events = [chunk(reasoning_content="So ring."), chunk(tool_calls=[call(0, "a", "bell", "{}")]), chunk("tool_calls")]
    refused = b'{"detail": [{"loc": ["body", "messages", 2, "reasoning_content"], "msg": "Extra inputs"}]}'
    script = Script(faults=[Fault(body=stream(*events)), Fault(status=422, body=refused)], replies=[SUNNY])
    async with open_server(script) as server, open_chat(server, tools=[f"{HERE}:bell"]) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text == SUNNY
        assert [message.get("reasoning_content") for message in server.posts()[2].body["messages"]] == [None] * 4


EMPTY: dict[str, Fault] = {
    "nothing but an end": Fault(body=stream(chunk("stop"))),
    "only [DONE]": Fault(body=stream()),
    "only blanks": Fault(body=stream(chunk(content=" \n"), chunk("stop"))),
    "only thoughts": Fault(body=stream(chunk(reasoning="Hm."), chunk("stop"))),
    "a whole completion without text": Fault(body=whole({"content": None}), headers=JSON),
}


@pytest.mark.parametrize("name", EMPTY)
async def test_an_answer_without_words_is_told(name: str) -> None:
    async with open_server(Script(faults=[EMPTY[name]])) as server, open_chat(server) as chat:
        with pytest.raises(BadAnswer, match="the model's answer is empty"):
            await chat.handle(make_transcript(), RecordingReply())
        assert len(server.posts()) == 1


async def test_silence_after_tools_is_told_but_not_after_words() -> None:
    rings = calls(call(0, "a", "bell", "{}"))
    speaks = stream(chunk(content="I ring."), chunk(tool_calls=[call(0, "a", "bell", "{}")]), chunk("tool_calls"))
    nothing = Fault(body=stream(chunk("stop")))
    script = Script(faults=[Fault(body=rings), nothing, Fault(body=speaks), nothing])
    async with open_server(script) as server, open_chat(server, tools=[f"{HERE}:bell"]) as chat:
        with pytest.raises(BadAnswer, match="the model's answer is empty"):
            await chat.handle(make_transcript(), RecordingReply())
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text.strip() == "I ring."


BROKEN: dict[str, tuple[Fault, str]] = {
    "an error of the type error": (Fault(body=stream({"type": "error", "message": "It died."})), "It died."),
    "an error object": (Fault(body=stream({"object": "error", "message": "It died.", "code": 400})), "It died."),
    "a list of errors": (Fault(body=stream([{"error": {"message": "It died."}}])), "It died."),
    "a detail": (Fault(body=stream({"detail": "It died."})), "It died."),
    "a whole error, called a stream": (Fault(body=b'{"error": {"message": "It died."}}'), "It died."),
    "a list of errors, whole": (Fault(body=b'[{"error": {"message": "It died."}}]', headers=JSON), "It died."),
    "a code of no digits": (Fault(body=stream({"error": {"code": "²", "message": "It died."}})), "It died."),
    "a code of 5000 digits": (Fault(body=stream({"error": {"code": "9" * 5000, "message": "It died."}})), "It died."),
    "JSON that is no completion": (Fault(body=b'{"hello": 1}', headers=JSON), "broke off"),
    "JSON that breaks off": (Fault(body=b'{"choices": [', headers=JSON), "neither events nor JSON"),
    "text": (Fault(body=b"Hello.", headers=(("Content-Type", "text/plain"),)), "text/plain, not a completion"),
    "only keep-alives": (Fault(body=b"data: null\n\ndata: ping\n\n"), "broke off"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_one_clear_error(name: str) -> None:
    fault, words = BROKEN[name]
    async with (
        open_server(Script(faults=[fault])) as server,
        open_bench(endpoint(server, retry={"max_elapsed_s": 0})) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        with pytest.raises(ServiceError, match=words):
            await chat.handle(make_transcript(), RecordingReply())


async def test_a_model_that_thinks_is_alive() -> None:
    # It thinks longer than a first word may take; each piece of its thoughts comes in time.
    thoughts = stream(*[chunk(reasoning="Hm.")] * 40, done=False) + sunny()
    fault = Fault(body=thoughts, piece=len(data(chunk(reasoning="Hm."))), piece_every_s=0.08)
    async with open_server(Script(faults=[fault])) as server, open_chat(server, first_word_s=2.5) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text == SUNNY
        assert len(server.posts()) == 1


async def test_keep_alives_are_no_sign_of_life() -> None:
    fault = Fault(body=b"data:\n\ndata: null\n\n: x\n\n", repeat=True, piece_every_s=0.02)
    async with (
        open_server(Script(faults=[fault])) as server,
        open_bench(endpoint(server, retry={"max_elapsed_s": 0})) as bench,
        ChatHandler.open(ChatOptions(model="a/b", first_word_s=0.3), bench.services) as chat,
    ):
        with pytest.raises(TimedOut, match="sent nothing"):
            await chat.handle(make_transcript(), RecordingReply())


async def test_usage_in_every_event_is_counted_once() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "cost": 0.5}
    events = [chunk(content="It is") | {"usage": usage}, chunk(content=" sunny.") | {"usage": usage}, chunk("stop")]
    async with open_server(Script(faults=[Fault(body=stream(*events))])) as server, open_chat(server) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert [used.cost_usd for used in reply.usage] == [0.5]


def read(*pieces: bytes) -> tuple[str, Any]:
    reader = CompletionReader(Where("http://x"), "id")
    deltas: list[Delta] = [delta for piece in pieces for delta in reader.feed(piece)]
    deltas += reader.end()
    return "".join(delta for delta in deltas if isinstance(delta, str)), reader.calls()


BODIES = [fault.body for fault in SPOKEN.values() if fault.body] + [case.body for case in CALLED.values()]


@given(st.sampled_from(BODIES), st.lists(st.integers(0, 2_000), max_size=8))
def test_a_body_means_the_same_wherever_it_is_cut(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(at, len(body)) for at in cuts), len(body)]
    assert read(*[body[a:b] for a, b in pairwise(edges)]) == read(body)


def test_arguments_in_a_million_pieces_take_linear_time() -> None:
    # Each piece looks as if it might begin another call: whether the arguments are complete must not be found anew.
    reader = ToolCallReader()
    reader.feed(call(0, "a", "weather", '{"x": ['))
    for number in range(60_000):
        reader.feed(call(0, f"b{number}", "weather", "{},"))
    assert len(reader.calls()) == 1


def test_two_calls_are_two() -> None:
    assert len(read(CALLED["two calls without ids, index 0"].body)[1].calls) == len(TWO)


def test_a_name_that_never_ends_is_a_broken_answer() -> None:
    reader, fed = ToolCallReader(), 0
    with suppress(BrokenCalls):
        for fed in range(100_000):
            reader.feed({"index": 0, "id": "a", "function": {"name": f"a{fed}"}})
    assert fed < 1_000
