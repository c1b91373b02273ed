"""Tools of handler `chat`: side by side, within their time, on asyncio too; failures are told, prints kept apart."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from testbed.http_parts import RecordingReply, make_transcript
from testbed.server import Fault, Script, open_server
from testbed.server.dialects import SUNNY, call, chunk, stream
from tests.handlers.test_chat import open_chat
from voiceloop.cli.render import Text
from voiceloop.handlers.python import PythonHandler, PythonOptions
from voiceloop.handlers.tool_call_reader import ToolCall
from voiceloop.handlers.tools import Toolbox
from voiceloop.handlers.user_output import own_output
from voiceloop.speak.splitter import Splitter

HERE = "tests.handlers.test_tool_calling"
LONG_S = 60.0
"""Longer than any of these tests may take."""


class Owner:
    """Records what the owner is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.news = trio.Event()

    def __call__(self, name: str, /, **fields: Any) -> None:
        self.events.append((name, fields))
        self.news.set()
        self.news = trio.Event()

    @property
    def notices(self) -> list[str]:
        return [fields["text"] for name, fields in self.events if name == "notice"]

    async def until(self, words: str) -> None:
        while not any(words in notice for notice in self.notices):
            await self.news.wait()


async def results(tools: Toolbox, *names: str) -> list[str]:
    answers = await tools.answer([ToolCall(f"c{at}", name, "{}") for at, name in enumerate(names)])
    assert [answer["tool_call_id"] for answer in answers] == [f"c{at}" for at in range(len(names))]
    return [answer["content"] for answer in answers]


def toolbox(owner: Owner, *names: str, limit_s: float = LONG_S) -> Toolbox:
    return Toolbox([f"{HERE}:{name}" for name in names], owner, limit_s=limit_s)


BOTH = threading.Barrier(2)


def left() -> str:
    BOTH.wait(LONG_S)
    return "left"


def right() -> str:
    BOTH.wait(LONG_S)
    return "right"


ORDER: list[str] = []


async def first() -> str:
    ORDER.append("first begins")
    await trio.sleep(0.05)
    ORDER.append("first ends")
    return "first"


async def press() -> str:
    ORDER.append("press begins")
    await trio.sleep(0.05)
    ORDER.append("press ends")
    return "pressed"


press.parallel = False  # type: ignore[attr-defined]


async def test_tools_run_side_by_side_and_their_results_keep_their_order() -> None:
    # Each waits for the other.
    assert await results(toolbox(Owner(), "left", "right"), "right", "left", "left", "right") == [
        *("right", "left", "left", "right")
    ]


async def test_a_tool_that_says_so_runs_alone() -> None:
    ORDER.clear()
    assert await results(toolbox(Owner(), "first", "press"), "first", "press", "press", "first") == [
        *("first", "pressed", "pressed", "first")
    ]
    assert [f"{name} {what}" for name in ("first", "press", "press", "first") for what in ("begins", "ends")] == ORDER


RELEASE = threading.Event()


def stuck() -> str:
    RELEASE.wait(LONG_S)
    return "late"


async def endless() -> str:
    await trio.sleep_forever()
    return "never"


async def test_a_late_result_is_dropped_and_said() -> None:
    RELEASE.clear()
    owner = Owner()
    [result] = await results(toolbox(owner, "stuck", limit_s=0.05), "stuck")
    assert result == "error: it took over 0.05 s and was given up"
    assert "handler.tools: stuck took over 0.05 s and was given up" in owner.notices[0]
    assert "Raise handler.tool_timeout_s" in owner.notices[0]
    RELEASE.set()
    await owner.until("stuck returned after")
    assert "too late: its result is dropped" in owner.notices[-1]


async def test_an_async_tool_has_the_same_limit() -> None:
    owner = Owner()
    assert await results(toolbox(owner, "endless", limit_s=0.05), "endless") == [
        "error: it took over 0.05 s and was given up"
    ]


async def test_a_cancelled_turn_leaves_a_tool_alone() -> None:
    RELEASE.clear()
    owner = Owner()
    with trio.move_on_after(0.05):
        await results(toolbox(owner, "stuck"), "stuck")
    RELEASE.set()
    assert owner.events == []


def fails() -> str:
    raise ValueError("no \x1b[31mbell")


async def test_what_a_tool_raises_is_told_to_the_model_and_to_the_owner() -> None:
    owner = Owner()
    assert await results(toolbox(owner, "fails"), "fails") == ["error: ValueError: no bell"]
    [notice] = owner.notices
    assert notice.startswith("handler.tools: fails raised ValueError: no bell (")
    assert "test_tool_calling.py:" in notice
    shown: list[str] = []
    for level in ("info", "debug"):
        shown.clear()
        for name, fields in owner.events:
            Text(level, shown.append)(name, **fields)
        assert ("Traceback (most recent call last):" in "\n".join(shown)) is (level == "debug")
        assert "\x1b" not in "".join(shown)


ON_ASYNCIO = {
    "imports it": "import asyncio\n\nasync def nap():\n    await asyncio.sleep(0)\n    return 'slept'\n",
    "imports from it": "from asyncio import sleep\n\nasync def nap():\n    await sleep(0)\n    return 'slept'\n",
    "imports it within": "async def nap():\n    import asyncio\n    await asyncio.sleep(0)\n    return 'slept'\n",
}


@asynccontextmanager
async def module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> AsyncIterator[Owner]:
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    yield Owner()


@pytest.mark.parametrize("way", ON_ASYNCIO)
async def test_an_async_tool_that_uses_asyncio_works(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"tool_{way.replace(' ', '_')}"
    async with module(tmp_path, monkeypatch, name, ON_ASYNCIO[way]) as owner:
        tools = Toolbox([f"{name}:nap"], owner, limit_s=LONG_S)
        assert await results(tools, "nap", "nap") == ["slept", "slept"]
        assert owner.events == []


async def test_a_tool_that_hides_its_asyncio_works_from_the_second_call_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hidden_asyncio.py").write_text(ON_ASYNCIO["imports it"])
    text = "import hidden_asyncio\n\nasync def nap():\n    return await hidden_asyncio.nap()\n"
    async with module(tmp_path, monkeypatch, "hides_asyncio", text) as owner:
        tools = Toolbox(["hides_asyncio:nap"], owner, limit_s=LONG_S)
        [failed] = await results(tools, "nap")
        assert failed.startswith("error: ")
        assert "It needs asyncio, and is run on it from now on" in owner.notices[0]
        assert await results(tools, "nap") == ["slept"]


async def test_an_asyncio_tool_that_takes_too_long_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "import asyncio, threading\n\nended = threading.Event()\n\nasync def nap():\n    try:\n"
        "        await asyncio.sleep(3600)\n    finally:\n        ended.set()\n"
    )
    async with module(tmp_path, monkeypatch, "naps_for_long", text) as owner:
        tools = Toolbox(["naps_for_long:nap"], owner, limit_s=0.3)
        assert await results(tools, "nap") == ["error: it took over 0.3 s and was given up"]
        import naps_for_long  # type: ignore[import-not-found]

        assert await trio.to_thread.run_sync(naps_for_long.ended.wait, LONG_S)


def prints() -> str:
    print("hello from a tool")
    return "printed"


async def prints_too() -> str:
    await trio.lowlevel.checkpoint()
    print("hello from an async tool")
    return "printed"


def prints_and_answers(text: str) -> str:
    print("hello from a handler")
    return text


async def test_what_a_tool_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with own_output():
        assert await results(toolbox(Owner(), "prints", "prints_too"), "prints", "prints_too") == ["printed"] * 2
        print('{"event": "ours"}')
    out, err = capsys.readouterr()
    assert out == '{"event": "ours"}\n'
    assert sorted(err.splitlines()) == ["hello from a tool", "hello from an async tool"]


async def test_what_a_function_prints_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    options = PythonOptions(function=f"{HERE}:prints_and_answers")
    reply = RecordingReply()
    async with PythonHandler.open(options, None) as handler:  # type: ignore[arg-type]
        await handler.handle(make_transcript("hi"), reply)
    assert (reply.text, capsys.readouterr()) == ("hi", ("", "hello from a handler\n"))


async def test_chat_keeps_standard_output_while_it_has_tools(capsys: pytest.CaptureFixture[str]) -> None:
    rings = stream(chunk(tool_calls=[call(0, "a", "prints", "{}")]), chunk("tool_calls"))
    script = Script(faults=[Fault(body=rings)], replies=[SUNNY])
    async with open_server(script) as server, open_chat(server, tools=[f"{HERE}:prints"]) as chat:
        await chat.handle(make_transcript(), RecordingReply())
    assert capsys.readouterr() == ("", "hello from a tool\n")


SPOKEN: list[str] = []
REPLY = RecordingReply()


def check() -> str:
    SPOKEN.extend(chunk for delta in REPLY.deltas for chunk in SPLITTER.feed(delta))
    return json.dumps(SPOKEN)


SPLITTER = Splitter()


async def test_what_was_said_before_a_tool_sounds_before_it_has_run() -> None:
    script = Script(
        faults=[
            Fault(
                body=stream(
                    chunk(content="Let me check that."), chunk(tool_calls=[call(0, "a", "check", "{}")]), chunk("stop")
                )
            )
        ],
        replies=[SUNNY],
    )
    async with open_server(script) as server, open_chat(server, tools=[f"{HERE}:check"]) as chat:
        await chat.handle(make_transcript(), REPLY)
        assert json.loads(server.posts()[1].body["messages"][-1]["content"]) == ["Let me check that."]
        assert server.posts()[1].body["messages"][-2]["content"] == "Let me check that."
    again = Splitter()
    chunks = [chunk for delta in REPLY.deltas for chunk in again.feed(delta)] + again.finish()
    assert chunks == ["Let me check that.", SUNNY]
