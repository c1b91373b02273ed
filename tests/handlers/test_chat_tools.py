"""What chat does beyond answering: tools, fallbacks, patience, a history that fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import Said, heard
from testbed.leaks import nothing_unclosed
from testbed.server import Fault, Script, open_server
from tests.handlers.test_chat import STOP, events, open_chat, says
from voiceloop.errors import BadAnswer, ConfigError, TimedOut, Unauthorized
from voiceloop.handlers.completion import ToolCall
from voiceloop.handlers.prompt import MESSAGE_TOKENS, recent, tokens
from voiceloop.handlers.tools import Toolbox
from voiceloop.types import Message

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
    """A model can't fill this in."""


class Odd:
    """Nothing that JSON could hold."""


def odd(thing: Odd) -> str:
    return str(thing)


def typo(thing: Nope) -> str:  # type: ignore[name-defined]  # noqa: F821 - as people write it
    return str(thing)


def knotted() -> object:
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


class Gated(Said):
    """A reply that is not certain until the test says so."""

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
        reply = Gated()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chat.handle, heard("ring"), reply)
            await reply.asked.wait()
            assert RANG == []
            reply.gate.set()
        assert RANG == ["dingding"]
        assert reply.text == "Just a moment.It rang."
        assert server.requests[1].body["messages"] == [
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
    assert Toolbox([BELL]).schemas() == [
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


@pytest.mark.parametrize(("name", "arguments", "told"), ERRORS)
async def test_what_goes_wrong_in_a_tool_is_told_to_the_model(name: str, arguments: str, told: str) -> None:
    script = Script(faults=[Fault(body=events(*call(0, name, arguments), STOP))])
    tools = [BELL, "tests.handlers.test_chat_tools:broken"]
    async with open_server(script) as server, open_chat(server, tools=tools) as chat:
        await chat.handle(heard(), Said())
        assert server.requests[1].body["messages"][-1]["content"].startswith(told)


async def test_a_model_that_calls_tools_without_end_has_to_say_something() -> None:
    script = Script(faults=[Fault(body=CALLS), Fault(body=CALLS), None], replies=["Enough."])
    async with open_server(script) as server, open_chat(server, tools=[BELL], tool_rounds=2) as chat:
        await chat.handle(heard(), Said())
        assert [r.body.get("tool_choice") for r in server.requests] == [None, None, "none"]


async def test_tool_calls_that_never_end_are_cut() -> None:
    many = [chunk for index in range(20) for chunk in call(index, "bell")]
    async with open_server(Script(faults=[Fault(body=events(*many))])) as server, open_chat(server) as chat:
        with pytest.raises(BadAnswer, match="calls more than 16 tools"):
            await chat.handle(heard(), Said())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bell", "is not of the form module:function"),
        ("no.such:bell", "can't be imported: No module named 'no'"),
        ("tests.handlers.test_chat_tools:gong", "can't be imported"),
        ("tests.handlers.test_chat_tools:RANG", "is not a function"),
        ("tests.handlers.test_chat_tools:greedy", "a model can't fill that in"),
        (
            "tests.handlers.test_chat_tools:odd",
            "can't be described to a model: Unable to generate .* Give it parameters of plain",
        ),
        ("tests.handlers.test_chat_tools:typo", "can't be described to a model: name 'Nope' is not defined"),
    ],
)
def test_a_tool_that_is_none_is_a_mistake_in_the_config(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Toolbox([name])


def test_two_tools_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ConfigError, match="is called bell, as another is"):
        Toolbox([BELL, BELL])


def test_a_module_that_cannot_be_imported_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "unfinished_tools.py").write_text("def bell(:\n")
    with pytest.raises(ConfigError, match="importing it failed: SyntaxError"):
        Toolbox(["unfinished_tools:bell"])


async def test_a_result_that_json_cannot_hold_is_told_to_the_model() -> None:
    told = await Toolbox(["tests.handlers.test_chat_tools:knotted"]).answer(ToolCall("c", "knotted", "{}"))
    assert told["content"].startswith("error: TypeError: keys must be")


async def test_fallback_models_are_sent() -> None:
    async with open_server() as server, open_chat(server, models=["a/b", "c/d"]) as chat:
        await chat.handle(heard(), Said())
        assert (server.requests[0].body["model"], server.requests[0].body["models"]) == ("openai/gpt-x", ["a/b", "c/d"])
        assert server.broken == []


async def test_comment_lines_do_not_count_as_words() -> None:
    comments = Fault(body=b": OPENROUTER PROCESSING\n\n", repeat=True, piece_every_s=0.02)
    refused = Fault(status=401)
    with nothing_unclosed():
        script = Script(faults=[comments, None])
        async with open_server(script) as server, open_chat(server, first_word_s=0.3) as chat:
            reply = Said()
            await chat.handle(heard(), reply)
            assert reply.text == "That is what you said."
            script.faults += [comments, refused]
            with pytest.raises(Unauthorized):
                await chat.handle(heard(), reply)


async def test_a_model_that_falls_silent_in_the_middle_is_given_up() -> None:
    script = Script(faults=[Fault(body=events(says("Well"), done=False), hang="body")])
    async with open_server(script) as server, open_chat(server, next_word_s=0.2) as chat:
        reply = Said()
        with pytest.raises(TimedOut, match=r"said nothing for 0\.2 s.*raise handler\.next_word_s"):
            await chat.handle(heard(), reply)
        assert (reply.text, len(server.posts())) == ("Well", 1)


class Slow(Said):
    async def say(self, delta: str) -> None:
        await trio.sleep(0.3)
        await super().say(delta)


async def test_a_slow_listener_is_not_the_models_fault() -> None:
    words = " ".join(["word"] * 4)
    async with open_server(Script(replies=[words])) as server, open_chat(server, next_word_s=0.2) as chat:
        reply = Slow()
        await chat.handle(heard(), reply)
        assert reply.text == words


lines = st.lists(st.builds(Message, st.sampled_from(["user", "assistant"]), st.text(max_size=40)), max_size=12)


@given(lines, st.integers(0, 12), st.integers(0, 200))
def test_the_newest_messages_that_fit_are_kept_whole_and_in_order(
    history: list[Message], turns: int, limit: int
) -> None:
    kept = recent(history, turns=turns, limit_tokens=limit)
    assert kept == history[len(history) - len(kept) :]
    assert len(kept) <= turns
    assert sum(tokens(message.text) + MESSAGE_TOKENS for message in kept) <= limit
    rest = history[: len(history) - len(kept)]
    if rest and len(kept) < turns:
        more = [rest[-1], *kept]
        assert sum(tokens(message.text) + MESSAGE_TOKENS for message in more) > limit


def test_tokens_are_guessed_for_every_script() -> None:
    assert (tokens(""), tokens("four"), tokens("fives"), tokens("日本語")) == (0, 1, 2, 3)


def test_results_are_json_for_the_model() -> None:
    assert json.loads(trio.run(Toolbox([WEATHER])._tools["weather"].call, '{"city": "Bø"}')) == {"Bø": 21}
