"""Handler `chat`: tools, fallback models, timeouts within the stream, and a history within the token limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import RecordingReply, make_transcript
from testbed.leaks import nothing_unclosed
from testbed.server import Fault, Script, open_server
from tests.handlers.test_chat import STOP, events, open_chat, says
from voiceloop.errors import BadAnswer, ConfigError, TimedOut, Unauthorized
from voiceloop.handlers.prompt import MESSAGE_TOKENS, recent, tokens
from voiceloop.handlers.tool_call_reader import ToolCall
from voiceloop.handlers.tools import Toolbox
from voiceloop.types import Message, by_turn

RANG: list[str] = []


def bell(times: int, loud: bool = False) -> str:
    """Ring the bell.

    Not for the model.
    """
    RANG.append("ding" * times)
    return f"rang {times}, loud {loud}"


async def weather(city: str) -> dict[str, int]:
    """How warm it is."""
    await trio.lowlevel.checkpoint()
    return {city: 21}


def broken() -> str:
    raise ValueError("no \x1b[31mbell")


def greedy(*names: str) -> None:
    """A tool with `*names`, which a model can't fill in."""


class Odd:
    """A class that JSON can't represent."""


def odd(thing: Odd) -> str:
    return str(thing)


def typo(thing: Nope) -> str:  # type: ignore[name-defined]  # noqa: F821 - as people write it
    return str(thing)


def not_json() -> object:
    return {(1, 2): "no JSON"}


BELL = "tests.handlers.test_chat_tools:bell"
WEATHER = "tests.handlers.test_chat_tools:weather"


def part(index: int, **values: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"tool_calls": [{"index": index, **values}]}}]}


def call(index: int, name: str, *arguments: str) -> list[dict[str, Any]]:
    """The chunks of one call, its arguments in pieces."""
    first = part(index, id=f"c{index}", type="function", function={"name": name, "arguments": ""})
    return [first, *[part(index, function={"arguments": piece}) for piece in arguments]]


CALLS = events(
    says("Just a moment."),
    *call(0, "bell", '{"ti', 'mes": 2}'),
    *call(1, "weather", '{"city": "Oslo"}'),
    {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
)


def toolbox(*names: str) -> Toolbox:
    return Toolbox(names, lambda _name, /, **_fields: None, limit_s=30.0)


class GatedReply(RecordingReply):
    """A reply whose turn becomes certain when the test sets `gate`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = trio.Event(), trio.Event()

    async def committed(self) -> None:
        self.asked.set()
        await self.gate.wait()


async def test_tools_are_called_once_the_turn_is_certain_and_their_results_go_back() -> None:
    RANG.clear()
    script = Script(faults=[Fault(body=CALLS)], replies=["It rang."])
    async with open_server(script) as server, open_chat(server, tools=[BELL, WEATHER], system="") as chat:
        reply = GatedReply()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chat.handle, make_transcript("ring"), reply)
            await reply.asked.wait()
            assert RANG == []
            reply.gate.set()
        assert RANG == ["dingding"]
        assert reply.text == "Just a moment.\n\nIt rang."
        assert server.posts()[1].body["messages"] == [
            {"role": "user", "content": "ring"},
            {
                "role": "assistant",
                "content": "Just a moment.",
                "tool_calls": [
                    {"id": "c0", "type": "function", "function": {"name": "bell", "arguments": '{"times": 2}'}},
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "c0", "content": "rang 2, loud False"},
            {"role": "tool", "tool_call_id": "c1", "content": '{"Oslo": 21}'},
        ]
        assert server.broken == []


def test_a_tool_is_described_by_its_signature() -> None:
    assert toolbox(BELL).schemas() == [
        {
            "type": "function",
            "function": {
                "name": "bell",
                "description": "Ring the bell.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "times": {"title": "Times", "type": "integer"},
                        "loud": {"title": "Loud", "type": "boolean", "default": False},
                    },
                    "required": ["times"],
                    "additionalProperties": False,
                },
            },
        }
    ]


ERRORS = [
    ("bell", '{"times": "many"}', "error: the arguments are wrong: times: Input should be a valid integer"),
    ("bell", "{", "error: the arguments are wrong: "),
    ("bell", '{"times": 1, "who": 2}', "error: the arguments are wrong: who: Extra inputs are not permitted"),
    ("gong", "{}", "error: there is no tool gong; there are: bell, broken"),
    ("broken", "", "error: ValueError: no bell"),
]


@pytest.mark.parametrize(("name", "arguments", "result"), ERRORS)
async def test_an_error_in_a_tool_is_returned_to_the_model(name: str, arguments: str, result: str) -> None:
    script = Script(faults=[Fault(body=events(*call(0, name, arguments), STOP))])
    tools = [BELL, "tests.handlers.test_chat_tools:broken"]
    async with open_server(script) as server, open_chat(server, tools=tools) as chat:
        await chat.handle(make_transcript(), RecordingReply())
        assert server.posts()[1].body["messages"][-1]["content"].startswith(result)


async def test_after_the_last_round_of_tools_the_model_must_answer_in_words() -> None:
    script = Script(faults=[Fault(body=CALLS), Fault(body=CALLS), None], replies=["Enough."])
    async with open_server(script) as server, open_chat(server, tools=[BELL], tool_rounds=2) as chat:
        await chat.handle(make_transcript(), RecordingReply())
        assert [r.body.get("tool_choice") for r in server.posts()] == [None, None, "none"]


async def test_too_many_tool_calls_in_one_answer_are_an_error() -> None:
    many = [chunk for index in range(20) for chunk in call(index, "bell")]
    async with open_server(Script(faults=[Fault(body=events(*many))])) as server, open_chat(server) as chat:
        with pytest.raises(BadAnswer, match="calls more than 16 tools"):
            await chat.handle(make_transcript(), RecordingReply())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bell", "is not of the form module:function"),
        ("no.such:bell", "can't be imported: No module named 'no'"),
        ("tests.handlers.test_chat_tools:gong", "can't be imported"),
        ("tests.handlers.test_chat_tools:RANG", "is not a function"),
        ("tests.handlers.test_chat_tools:greedy", "which a model can't fill in"),
        (
            "tests.handlers.test_chat_tools:odd",
            "can't be described to a model: Unable to generate .* Give it parameters of plain",
        ),
        ("tests.handlers.test_chat_tools:typo", "can't be described to a model: name 'Nope' is not defined"),
    ],
)
def test_an_unusable_tool_is_an_error_in_the_config(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        toolbox(name)


def test_two_tools_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match="is called bell, like another tool"):
        toolbox(BELL, BELL)


def test_a_module_that_cannot_be_imported_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "unfinished_tools.py").write_text("def bell(:\n")
    with pytest.raises(ConfigError, match="importing it failed: SyntaxError"):
        toolbox("unfinished_tools:bell")


async def test_a_result_that_is_not_json_is_returned_to_the_model_as_an_error() -> None:
    tools = toolbox("tests.handlers.test_chat_tools:not_json")
    [result] = await tools.answer([ToolCall("c", "not_json", "{}")])
    assert result["content"].startswith("error: TypeError: keys must be")


async def test_fallback_models_are_sent() -> None:
    async with open_server() as server, open_chat(server, models=["a/b", "c/d"]) as chat:
        await chat.handle(make_transcript(), RecordingReply())
        assert (server.posts()[0].body["model"], server.posts()[0].body["models"]) == ("openai/gpt-x", ["a/b", "c/d"])
        assert server.broken == []


async def test_comment_lines_do_not_count_as_words() -> None:
    comments = Fault(body=b": OPENROUTER PROCESSING\n\n", repeat=True, piece_every_s=0.02)
    refused = Fault(status=401)
    with nothing_unclosed():
        script = Script(faults=[comments, None])
        async with open_server(script) as server, open_chat(server, first_word_s=1.0) as chat:
            reply = RecordingReply()
            await chat.handle(make_transcript(), reply)
            assert reply.text == "That is what you said."
            script.faults += [comments, refused]
            with pytest.raises(Unauthorized):
                await chat.handle(make_transcript(), reply)


async def test_a_model_that_falls_silent_in_the_middle_is_given_up() -> None:
    script = Script(faults=[Fault(body=events(says("Well"), done=False), hang="body")])
    async with open_server(script) as server, open_chat(server, next_word_s=0.2) as chat:
        reply = RecordingReply()
        with pytest.raises(TimedOut, match=r"sent nothing for 0\.2 s.*raise handler\.next_word_s"):
            await chat.handle(make_transcript(), reply)
        assert (reply.text, len(server.posts())) == ("Well", 1)


class SlowReply(RecordingReply):
    """A reply that takes 0.3 s for each piece of text."""

    async def say(self, delta: str) -> None:
        await trio.sleep(0.3)
        await super().say(delta)


async def test_a_slow_reply_does_not_count_as_a_silent_model() -> None:
    words = " ".join(["word"] * 4)
    async with open_server(Script(replies=[words])) as server, open_chat(server, next_word_s=0.2) as chat:
        reply = SlowReply()
        await chat.handle(make_transcript(), reply)
        assert reply.text == words


lines = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text(max_size=40)), max_size=12)


@given(lines, st.integers(0, 200))
def test_the_newest_messages_that_fit_are_kept_whole_and_in_order(history: list[Message], limit: int) -> None:
    kept = recent(history, limit_tokens=limit)
    assert kept == history[len(history) - len(kept) :]
    assert sum(tokens(message.text) + MESSAGE_TOKENS for message in kept) <= limit
    rest = by_turn(history[: len(history) - len(kept)])
    if rest:
        assert sum(tokens(message.text) + MESSAGE_TOKENS for message in [*rest[-1], *kept]) > limit


def test_tokens_are_estimated_for_every_script() -> None:
    assert (tokens(""), tokens("four"), tokens("fives"), tokens("日本語")) == (0, 1, 2, 3)


def test_results_are_json_for_the_model() -> None:
    [result] = trio.run(toolbox(WEATHER).answer, [ToolCall("c", "weather", '{"city": "Bø"}')])
    assert json.loads(result["content"]) == {"Bø": 21}
