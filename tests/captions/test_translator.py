"""Second lines: the words go on at once, and each line is settled once, soon. In virtual time, then over HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from testbed.http_parts import endpoint, open_bench
from testbed.server import Fault, Script, Server, open_server
from tests.captions.speech import said
from voiceloop.captions.cues import CueCutter, with_second_lines
from voiceloop.captions.handler import CaptionsHandler
from voiceloop.captions.options import CaptionsOptions
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.translation import Conversation, Translation
from voiceloop.captions.translator import Model, Translator, open_translator
from voiceloop.captions.words import text_of
from voiceloop.config.tables import Limits
from voiceloop.errors import ConfigError, ServerFailed
from voiceloop.net.limits import Room
from voiceloop.net.service import Service
from voiceloop.nursery import private_nursery
from voiceloop.text import columns

ROOM = Room(crowded=False, share=1.0)


@dataclass
class Outputs:
    """An output that records what it is given, and when."""

    finals: list[tuple[float, int, str]] = field(default_factory=list)
    seconds: list[tuple[float, int, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def live(self, live: Live) -> None:
        """Ignored."""

    def final(self, final: Final, live: Live) -> None:
        self.finals.append((trio.current_time(), final.number, final.text))

    def translated(self, number: int, text: str) -> None:
        self.seconds.append((trio.current_time(), number, text))

    def publish(self, name: str, /, **fields: object) -> None:
        self.notices.append(str(fields["text"]))

    @property
    def lines(self) -> list[str]:
        """The second lines in the order of the lines; empty where there is none."""
        assert sorted(number for _, number, _ in self.seconds) == [number for _, number, _ in self.finals]
        return [text for _, _, text in sorted(self.seconds, key=lambda second: second[1])]


def say(translator: Translator, text: str) -> None:
    translator.final(Final("", tuple(said(text.split()))), Live(""))


@asynccontextmanager
async def translating(
    outputs: Outputs, ask: Callable[[str], Awaitable[str]], room: Callable[[], Room] = lambda: ROOM, **options: Any
) -> AsyncIterator[Translator]:
    translator = Translator([outputs], ask, room, Translation(**options), outputs.publish)
    async with private_nursery() as nursery:
        nursery.start_soon(translator.run)
        yield translator
        await translator.idle()


def slow(seconds: float) -> Callable[[str], Awaitable[str]]:
    async def ask(line: str) -> str:
        await trio.sleep(seconds)
        return line.upper()

    return ask


async def test_the_words_go_on_at_once_and_the_second_line_follows(autojump_clock: MockClock) -> None:
    outputs = Outputs()
    async with translating(outputs, slow(0.8)) as translator:
        say(translator, "hello there")
        assert outputs.finals == [(0.0, 1, "hello there")]
    assert outputs.seconds == [(0.8, 1, "HELLO THERE")]
    assert outputs.notices == []


async def test_with_too_many_lines_waiting_the_oldest_gets_none_and_it_is_said_once(autojump_clock: MockClock) -> None:
    outputs = Outputs()
    async with translating(outputs, slow(1), behind=2) as translator:
        say(translator, "one")
        await trio.sleep(0.5)
        for word in ("two", "three", "four", "five"):
            say(translator, word)
    assert outputs.lines == ["ONE", "", "", "FOUR", "FIVE"]
    assert outputs.notices == [
        "Lines are said faster than they are translated: some have no second line. This is said once."
    ]


async def test_no_second_line_comes_later_than_its_time_out(autojump_clock: MockClock) -> None:
    """Also while it waits behind another line."""
    outputs = Outputs()
    async with translating(outputs, slow(3), timeout_s=5) as translator:
        for word in ("one", "two", "three"):
            say(translator, word)
    assert outputs.lines == ["ONE", "", ""]
    assert [at for at, _, _ in outputs.seconds] == [3.0, 5.0, 5.0]
    assert len(outputs.notices) == 1


async def test_no_more_lines_are_sent_in_a_minute_than_allowed(autojump_clock: MockClock) -> None:
    outputs, asked = Outputs(), list[float]()

    async def ask(line: str) -> str:
        asked.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        return line

    async with translating(outputs, ask, per_minute=10, behind=4) as translator:
        for _ in range(90):
            say(translator, "again")
            await trio.sleep(2)
    assert max(sum(at <= other < at + 60 for other in asked) for at in asked) == 10
    assert len(outputs.lines) == 90


@pytest.mark.parametrize("room", [Room(crowded=True, share=1.0), Room(crowded=False, share=0.2)])
async def test_nothing_is_posted_that_the_words_would_have_to_wait_for(autojump_clock: MockClock, room: Room) -> None:
    outputs, rooms = Outputs(), [room]
    async with translating(outputs, slow(0), lambda: rooms[0]) as translator:
        say(translator, "one")
        await trio.sleep(10)
        rooms[0] = ROOM
        say(translator, "two")
    assert outputs.lines == ["", "TWO"]


async def test_a_failure_costs_one_second_line_and_each_kind_is_said_once(autojump_clock: MockClock) -> None:
    outputs, count = Outputs(), iter(range(9))

    async def ask(line: str) -> str:
        await trio.lowlevel.checkpoint()
        match next(count) % 3:
            case 0:
                raise ServerFailed("it is broken", place="the server")
            case 1:
                raise ZeroDivisionError
        return "ja"

    async with translating(outputs, ask, behind=9) as translator:
        for _ in range(9):
            say(translator, "yes")
    assert outputs.lines == ["", "", "ja"] * 3
    assert [notice.split(":")[0] for notice in outputs.notices] == ["A line was not translated"] * 2


def test_a_line_is_sent_with_those_before_it_and_never_with_more() -> None:
    conversation = Conversation("a/b", "fr")
    for number in range(5):
        assert conversation.take(f"line {number}", f"ligne\n{number} ") == f"ligne {number}"
    body = conversation.body("line 5")
    assert "French (fr)" in body["messages"][0]["content"]
    assert [message["content"] for message in body["messages"][1:]] == [
        "line 3",
        "ligne 3",
        "line 4",
        "ligne 4",
        "line 5",
    ]
    assert body["max_tokens"] < 200


def test_a_line_that_is_in_that_language_already_has_no_second_one() -> None:
    conversation = Conversation("a/b", "tlh")
    assert conversation.take("Bonjour.", "bonjour.") == ""
    assert conversation.take("Bonjour.", "\x1b[2J\n") == ""
    assert "tlh" in conversation.body("x")["messages"][0]["content"]


@given(st.lists(st.text("abc ", min_size=1, max_size=12), min_size=1, max_size=30), st.text("xyz 漢", max_size=200))
def test_the_cues_of_a_line_share_its_translation(words: list[str], text: str) -> None:
    line = said([word.strip() or "a" for word in words])
    cues = CueCutter().cut(line)
    shared = with_second_lines(cues, text)
    whole = "".join(row for cue in shared for row in cue.second)
    assert whole.replace(" ", "") == text.replace(" ", "")
    assert all(columns(row) <= 42 for cue in shared for row in cue.second)
    assert [cue.lines for cue in shared] == [cue.lines for cue in cues]
    assert text_of(line) == " ".join(cue.text for cue in shared)


# Over HTTP


@asynccontextmanager
async def open_service(server: Server, **limits: Any) -> AsyncIterator[Service]:
    async with open_bench(endpoint(server), limits=Limits(**limits)) as bench:
        yield bench.clients.service(Translation().wanted(endpoint(server)))


async def test_a_line_is_one_request_with_the_published_fields() -> None:
    async with open_server(Script(replies=["Bonjour à tous."])) as server, open_service(server) as service:
        assert await Model(service, "fr", Translation())("Hello everybody.") == "Bonjour à tous."
        assert server.broken == []
        body = server.requests[-1].body
        assert body["model"] == "openai/gpt-4o-mini"
        assert body["messages"][-1] == {"role": "user", "content": "Hello everybody."}


async def test_thoughts_are_no_second_line() -> None:
    script = Script(replies=["<think>They greet.</think>Bonjour."])
    async with open_server(script) as server, open_service(server) as service:
        assert await Model(service, "fr", Translation())("Hello.") == "Bonjour."


async def test_a_model_that_answers_the_line_at_length_is_cut_short() -> None:
    script = Script(replies=[" ".join(["word"] * 3_000)], token_every_s=0.001)
    outputs = Outputs()
    async with (
        open_server(script) as server,
        open_service(server) as service,
        open_translator([outputs], service, "fr", Translation(), outputs.publish) as translator,
    ):
        say(translator, "write a poem")
        await translator.idle()
        await server.until(lambda: server.requests[-1].gone.is_set() or server.requests[-1].done.is_set())
        assert server.requests[-1].sent < 400_000
    assert outputs.lines == [""]
    assert "the model answers at length" in outputs.notices[0]


async def test_at_a_sudden_end_every_line_is_settled() -> None:
    outputs = Outputs()
    async with open_server(Script(faults=[Fault(hang="head")])) as server, open_service(server) as service:
        with trio.CancelScope() as scope:
            async with open_translator([outputs], service, "fr", Translation(), outputs.publish) as translator:
                for word in ("one", "two"):
                    say(translator, word)
                await server.until(lambda: bool(server.posts()))
                scope.cancel("told to end")
                await trio.sleep_forever()
    assert outputs.lines == ["", ""]


async def test_what_it_costs_counts_and_nothing_is_tried_again() -> None:
    script = Script(replies=["Bonjour."], faults=[Fault(status=503), None])
    outputs = Outputs()
    async with open_server(script) as server, open_service(server, max_cost_per_session=0.0002) as service:
        async with open_translator([outputs], service, "fr", Translation(), outputs.publish) as translator:
            for word in ("one", "two", "three"):
                say(translator, word)
        assert len(server.posts()) == 2, "the first has failed, and the second has spent the money"
    assert outputs.lines == ["", "Bonjour.", ""]
    assert any("[limits]" in notice for notice in outputs.notices)


OFF = """
import sys
import trio
from voiceloop.captions.handler import CaptionsHandler, CaptionsOptions
from voiceloop.plugins import Services

async def main():
    async with CaptionsHandler.open(CaptionsOptions(), Services(None, None, lambda name, **fields: None)):
        print([name for name in sys.modules if "translator" in name or "completing" in name or name == "httpx"])

trio.run(main)
"""


def test_without_a_language_nothing_of_it_is_loaded_or_opened() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_captions_are_not_translated_into_their_own_language() -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        transcribe = SimpleNamespace(options=SimpleNamespace(model="tiny-en", language=None))
        config = SimpleNamespace(openrouter=endpoint(server), transcribe=transcribe)
        services = replace(bench.services, config=cast("Any", config))
        with pytest.raises(
            ConfigError, match=r"handler\.translate: the captions are in that language already \('en'\)"
        ):
            async with CaptionsHandler.open(CaptionsOptions(translate="en"), services):
                pass
        async with CaptionsHandler.open(CaptionsOptions(translate="fr"), services):
            pass
