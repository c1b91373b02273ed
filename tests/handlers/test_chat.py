"""Handler `chat`: the answer is streamed into the reply while it arrives."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from testbed.http_parts import RecordingReply, endpoint, make_transcript, open_bench
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.server import Fault, Script, Server, answers, open_server
from voiceloop.errors import (
    BadAnswer,
    OutOfCredits,
    Overloaded,
    ServerFailed,
    ServiceError,
    Unavailable,
    Unreachable,
)
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.completion import CompletionReader, Delta
from voiceloop.net.failures import Where
from voiceloop.types import Message


@asynccontextmanager
async def open_chat(server: Server, **options: Any) -> AsyncIterator[ChatHandler]:
    values = ChatOptions(**({"model": "openai/gpt-x"} | options))
    async with open_bench(endpoint(server)) as bench, ChatHandler.open(values, bench.services) as handler:
        yield handler


HISTORY = tuple(Message("user" if at % 2 == 0 else "assistant", f"line {at}") for at in range(8))


async def test_an_answer_is_streamed_into_the_reply_and_its_usage_reported() -> None:
    async with open_server(Script(replies=["It is noon where you are now, Ada."])) as server, open_chat(server) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript("What time is it?"), reply)
        assert reply.deltas == ["It is noon where you are", " now,", " Ada."]
        assert [(u.input_tokens, u.output_tokens, u.cost_usd) for u in reply.usage] == [(12, 8, 0.0002)]
        assert reply.usage[0].generation_ids == ("gen-chat-0",)
        assert server.broken == []


async def test_thoughts_in_the_text_are_never_said() -> None:
    unmarked = "Well, let me see. It is five in Rome. That is an hour more.</think>It is six."
    replies = ["<think>five</think>It is five.", unmarked]
    async with open_server(Script(replies=replies)) as server, open_chat(server) as chat:
        said = []
        for _ in range(3):
            reply = RecordingReply()
            await chat.handle(make_transcript("What time is it?"), reply)
            said.append(reply.text)
        # The first unmarked thoughts were out before their end was known. From then on they are.
        assert [said[0], said[2]] == ["It is five.", "It is six."]


async def test_thoughts_that_break_off_are_not_said() -> None:
    fault = Fault(body=events(says("The user asks for the time, so I"), done=False))
    async with open_server(Script(faults=[fault])) as server, open_chat(server) as chat:
        reply = RecordingReply()
        with pytest.raises(BadAnswer):
            await chat.handle(make_transcript(), reply)
        assert reply.text == ""


async def test_the_model_receives_the_prompt_and_the_last_messages() -> None:
    # Three messages fit, but half a turn is never sent.
    async with open_server() as server, open_chat(server, system="Be brief.", history_tokens=20) as chat:
        await chat.handle(make_transcript("now"), RecordingReply(HISTORY))
        assert server.requests[0].body == {
            "model": "openai/gpt-x",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "line 6"},
                {"role": "assistant", "content": "line 7"},
                {"role": "user", "content": "now"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        }


async def test_every_option_is_sent() -> None:
    options = {"system": "", "temperature": 0.5, "max_tokens": 99, "provider": {"sort": "latency"}}
    async with open_server() as server, open_chat(server, **options) as chat:
        await chat.handle(make_transcript("now"), RecordingReply())
        body = server.posts()[0].body
        assert body["messages"] == [{"role": "user", "content": "now"}]
        assert (body["temperature"], body["max_tokens"], body["provider"]) == (0.5, 99, {"sort": "latency"})
        assert server.broken == []


async def test_another_server_gets_its_own_key_or_none() -> None:
    async with open_server() as openrouter, open_server(Script(key=None, openai=True)) as other:
        options = {"base_url": other.url, "model": "qwen3:4b"}
        async with open_chat(openrouter, **options) as chat:
            await chat.handle(make_transcript(), RecordingReply())
        async with open_chat(openrouter, **options, api_key_env="VOICELOOP_TEST_KEY") as chat:
            await chat.handle(make_transcript(), RecordingReply())
        assert openrouter.requests == []
        assert [request.headers.get("authorization") for request in other.posts()] == [None, "Bearer test-key"]
        assert other.broken == []
    with pytest.raises(ValidationError, match="is not an http:// or https:// address"):
        ChatOptions(model="a/b", base_url="nowhere")


async def test_the_first_words_are_passed_on_before_the_answer_is_complete() -> None:
    script = Script(faults=[Fault(hang="body")])
    async with open_server(script) as server, open_chat(server) as chat, trio.open_nursery() as nursery:
        reply = RecordingReply()
        nursery.start_soon(chat.handle, make_transcript(), reply)
        with trio.fail_after(60):
            await reply.news.wait()
        nursery.cancel_scope.cancel()


def events(*values: object, done: bool = True) -> bytes:
    lines = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in values]
    return b"".join([*lines, b"data: [DONE]\n\n" if done else b""])


def says(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


ERROR_503 = {"error": {"code": 503, "message": "Provider disconnected"}, "choices": [{"finish_reason": "error"}]}
STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
STREAM_FAILURES: list[tuple[Fault, type[ServiceError], str, str]] = [
    (Fault(body=events(says("Well"), ERROR_503)), Unavailable, "Well", "Provider disconnected"),
    (Fault(body=events(says("Well"), {"error": {"code": "server_error", "message": "x"}})), ServerFailed, "Well", "x"),
    (Fault(body=events(says("Well"), done=False)), BadAnswer, "Well", "the answer broke off before its end"),
    (Fault(body=events(says("Well"), STOP), cut_after=80), Unreachable, "Well", "the connection broke off"),
    (Fault(body=b"data: {nonsense\n\n"), BadAnswer, "", "an event of the answer is not JSON"),
    (Fault(body=b"data: [1]\n\n"), BadAnswer, "", "the answer broke off before its end"),
    (Fault(body=b"data: " + b"x" * 65_536, repeat=True), BadAnswer, "", "one event is over 4194304 characters"),
    (Fault(body=b'{"error": {"code": 402, "message": "broke"}}', headers=(("Content-Type", "application/json"),)),
     OutOfCredits, "", "the server said: broke"),
    (Fault(body=b"<p>", headers=(("Content-Type", "text/html"),)), BadAnswer, "", "the answer is text/html"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "said", "message"), STREAM_FAILURES, ids=[row[3] for row in STREAM_FAILURES])
async def test_a_failure_in_the_stream_is_raised_and_the_words_before_it_stay(
    fault: Fault, kind: type[ServiceError], said: str, message: str
) -> None:
    with nothing_unclosed():
        async with open_server(Script(faults=[fault, Fault(status=400)])) as server, open_chat(server) as chat:
            reply = RecordingReply()
            with pytest.raises(ServiceError) as caught:
                await chat.handle(make_transcript(), reply)
            assert reply.text == said
        # After the first words there is no second attempt: its answer would be said after those words.
        assert type(caught.value) is kind
        assert message in str(caught.value)
        assert len(server.posts()) == caught.value.attempts == 1


async def test_an_answer_that_fails_before_its_first_word_is_retried() -> None:
    faults = [Fault(status=529), Fault(body=events(ERROR_503)), Fault(cut_after=3), Fault(drop=True), None]
    async with open_server(Script(faults=list(faults), replies=["Fine."])) as server, open_chat(server) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text == "Fine."
        assert len(server.posts()) == 5


async def test_an_answer_without_done_but_with_a_finish_reason_is_complete() -> None:
    script = Script(faults=[Fault(body=events(says("Yes."), STOP, done=False))])
    async with open_server(script) as server, open_chat(server) as chat:
        reply = RecordingReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text == "Yes."


async def test_a_server_that_leaves_the_stream_open_after_done_is_not_waited_for() -> None:
    async with open_server(Script(faults=[Fault(hang="body")])) as server, open_chat(server) as chat:
        with trio.fail_after(60):
            await chat.handle(make_transcript(), RecordingReply())
            await server.requests[0].gone.wait()


async def test_a_persistent_failure_keeps_its_error_class() -> None:
    script = Script(fault=lambda _path, _number: Fault(status=529, headers=(("Retry-After", "99"),)))
    async with open_server(script) as server, open_chat(server) as chat:
        with pytest.raises(Overloaded):
            await chat.handle(make_transcript(), RecordingReply())


async def test_the_connection_stays_open_between_turns() -> None:
    async with open_server() as server, open_chat(server) as chat:
        for _ in range(4):
            await chat.handle(make_transcript(), RecordingReply())
        assert server.connected == 1


class FailingReply(RecordingReply):
    """A reply that raises when text is added."""

    async def say(self, delta: str) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError(delta)


async def test_an_error_of_the_reply_is_raised_unchanged() -> None:
    with nothing_unclosed():
        async with open_server() as server, open_chat(server) as chat:
            with pytest.raises(ZeroDivisionError):
                await chat.handle(make_transcript(), FailingReply())


async def test_an_answer_cancelled_at_any_point_leaves_nothing_behind() -> None:
    with nothing_unclosed():
        async with open_server() as server, open_chat(server) as chat:
            finished, steps = False, 0
            while not finished:
                steps += 1
                with cancelled_at(steps):
                    await chat.handle(make_transcript(), RecordingReply())
                    finished = True
            assert steps > 20
            assert server.broken == []
        await server.until(lambda: not server.connections)


BODY = b"".join(answers.chat(Script(replies=["naïve 🙂 words, all of them."]), {"model": "a/b"}, 0).pieces)


def read(pieces: list[bytes]) -> tuple[list[Delta], bool]:
    reader = CompletionReader(Where("http://x"), "id")
    return [delta for piece in pieces for delta in reader.feed(piece)], reader.done


@given(st.lists(st.integers(0, len(BODY)), max_size=12).map(sorted))
def test_cutting_the_stream_elsewhere_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *cuts, len(BODY)]
    assert read([BODY[a:b] for a, b in pairwise(edges)]) == read([BODY])


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["choices", "delta", "content", "usage", "id", "cost"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage", "id", "object"]), odd))
def test_odd_chunks_are_ignored(chunk: dict[str, Any]) -> None:
    deltas, done = read([events(chunk, says("x"))])
    assert deltas[-1] == "x"
    assert done
