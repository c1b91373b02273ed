"""The past that a model is shown: roles that alternate, whole turns, and less of it when it is too long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import RecordingReply, endpoint, make_transcript, open_bench
from testbed.server import Fault, Script, open_server
from testbed.server.dialects import TOO_LONG, data
from tests.handlers.test_chat import open_chat
from voiceloop.errors import ContextTooLong
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.prompt import messages, recent
from voiceloop.handlers.voice import VoiceHandler, VoiceOptions
from voiceloop.types import Message, by_turn

said = st.builds(Message, st.sampled_from(["user", "assistant"]), st.sampled_from(["", " ", "Yes.", "No?"]))


def alternates(sent: list[dict[str, Any]]) -> bool:
    """Whether a chat template that wants user, assistant, user, … takes these messages, as that of Gemma."""
    roles = [message["role"] for message in sent if message["role"] != "system"]
    return roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


@given(st.lists(said, max_size=12), st.integers(0, 60), st.sampled_from(["", "Be brief."]))
def test_every_model_takes_what_is_sent(history: list[Message], limit: int, system: str) -> None:
    sent = messages(system, recent(history, limit_tokens=limit), "now")
    assert alternates(sent)
    assert all(message["content"].strip() for message in sent)
    assert sent[-1]["content"].endswith("now")
    assert [message["role"] for message in sent].count("system") == bool(system)


def test_what_was_said_several_times_in_a_row_is_one_message() -> None:
    history = [Message("assistant", "Hm?"), Message("user", "One."), Message("user", "Two."), Message("user", " ")]
    assert messages("", history, "Three.") == [{"role": "user", "content": "One.\nTwo.\nThree."}]
    sound = {"type": "input_audio", "input_audio": {}}
    assert messages("", history, [sound]) == [
        {"role": "user", "content": [{"type": "text", "text": "One.\nTwo."}, sound]}
    ]


def test_turns_are_counted_by_what_the_user_said() -> None:
    turns = by_turn([Message("assistant", "0"), Message("user", "1"), Message("user", "2"), Message("assistant", "2!")])
    assert [[message.text for message in turn] for turn in turns] == [["0"], ["1"], ["2", "2!"]]


HISTORY = tuple(Message("user" if at % 2 == 0 else "assistant", f"line number {at}") for at in range(16))


def texts(body: Any) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] != "system"]


@pytest.mark.parametrize("name", TOO_LONG)
async def test_a_past_that_is_too_long_is_shortened_and_stays_short(name: str) -> None:
    refused = Fault(status=400, body=json.dumps(TOO_LONG[name]).encode())
    async with (
        open_server(Script(faults=[refused, None, None])) as server,
        open_bench(endpoint(server)) as bench,
        ChatHandler.open(ChatOptions(model="a/b"), bench.services) as chat,
    ):
        reply = RecordingReply(HISTORY)
        await chat.handle(make_transcript("now"), reply)
        assert reply.text == "That is what you said."
        await chat.handle(make_transcript("later"), RecordingReply(HISTORY))
        first, second, third = (texts(request.body) for request in server.posts())
        assert first == [*(message.text for message in HISTORY), "now"]
        assert second == first[8:]
        assert third == [*second[:-1], "later"]
        assert [str(line["text"]).partition(":")[0] for line in bench.named("notice")] == ["handler.history_tokens"]


async def test_a_question_that_is_too_long_by_itself_is_told_at_once() -> None:
    refused = Fault(status=400, body=json.dumps(TOO_LONG["OpenAI"]).encode())
    async with open_server(Script(fault=lambda _path, _number: refused)) as server, open_chat(server) as chat:
        with pytest.raises(ContextTooLong, match=r"too long for the model.*handler\.history_tokens"):
            await chat.handle(make_transcript("now"), RecordingReply())
        assert len(server.posts()) == 1
        with pytest.raises(ContextTooLong):
            await chat.handle(make_transcript("now"), RecordingReply(HISTORY))
        assert len(server.posts()) == 3


async def test_it_is_noticed_in_a_stream_too() -> None:
    refused = Fault(body=data(TOO_LONG["llama.cpp"]))
    async with open_server(Script(faults=[refused])) as server, open_chat(server) as chat:
        reply = RecordingReply(HISTORY)
        await chat.handle(make_transcript("now"), reply)
        assert reply.text == "That is what you said."


async def test_a_model_that_hears_is_shown_less_too() -> None:
    refused = Fault(status=400, body=json.dumps(TOO_LONG["OpenAI"]).encode())
    async with (
        open_server(Script(faults=[refused])) as server,
        open_bench(endpoint(server)) as bench,
        VoiceHandler.open(VoiceOptions(model="a/b"), bench.services) as voice,
    ):
        await voice.handle(make_transcript(), RecordingReply(HISTORY))
        assert [len(texts(request.body)) for request in server.posts()] == [17, 9]
