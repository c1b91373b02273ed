"""Handler `chat` with a server of the user's own: the model is loaded in advance, and does not think."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio

from testbed.http_parts import KEY_ENV, RecordingReply, endpoint, make_transcript, open_bench
from testbed.ollama import Ollama, serving_ollama
from testbed.server import Script, open_server
from voiceloop.errors import BadRequest, NoSuchModel
from voiceloop.handlers import loading
from voiceloop.handlers.chat import ChatHandler, ChatOptions

EFFORT_REFUSALS = [
    'invalid reasoning value: \'none\' (must be "high", "medium", "low", true, or false)',
    '"gemma3:4b" does not support thinking',
    "Unrecognized request argument supplied: reasoning_effort",
]


class Notices:
    """What the handler tells the person at the terminal."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._news = trio.Event()

    def __call__(self, name: str, /, **fields: object) -> None:
        if name == "notice":
            self.texts.append(str(fields["text"]))
            self._news.set()

    async def first(self) -> str:
        """The first one, waiting for it."""
        with trio.fail_after(60):
            await self._news.wait()
        return self.texts[0]


@asynccontextmanager
async def open_local(ollama: Ollama, **options: Any) -> AsyncIterator[tuple[ChatHandler, Notices]]:
    values = ChatOptions(**({"model": "qwen3:4b", "base_url": ollama.url} | options))
    notices = Notices()
    async with open_server() as openrouter, open_bench(endpoint(openrouter)) as bench:
        async with ChatHandler.open(values, replace(bench.services, publish=notices)) as handler:
            yield handler, notices
        assert openrouter.requests == []


async def ask(handler: ChatHandler) -> RecordingReply:
    reply = RecordingReply()
    with trio.fail_after(60):
        await handler.handle(make_transcript("What time is it?"), reply)
    return reply


class Exits(trio.abc.Instrument):
    """Notices when a task has ended."""

    def __init__(self) -> None:
        self.happened = trio.Event()

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self.happened.set()


async def idle(handler: ChatHandler) -> None:
    """Wait until no loading request is under way."""
    assert handler._loader is not None
    with trio.fail_after(60):
        while handler._loader._nursery.child_tasks:
            exits = Exits()
            trio.lowlevel.add_instrument(exits)
            await exits.happened.wait()
            trio.lowlevel.remove_instrument(exits)


async def until_asked(ollama: Ollama, path: str, *, count: int = 1) -> list[Any]:
    return await trio.to_thread.run_sync(lambda: ollama.wait_for(path, count=count))


async def test_the_model_is_loaded_before_the_first_question() -> None:
    with serving_ollama() as ollama:
        async with open_local(ollama) as (_, notices):
            assert await until_asked(ollama, "/api/generate") == [
                {"model": "qwen3:4b", "keep_alive": "30m", "stream": False}
            ]
        assert notices.texts == []


async def test_loading_delays_neither_the_start_nor_a_question_nor_the_end() -> None:
    with serving_ollama() as ollama:
        ollama.may_load.clear()
        with trio.fail_after(60):
            async with open_local(ollama) as (handler, _):
                await until_asked(ollama, "/api/generate")
                assert (await ask(handler)).text == "It is noon."
        assert ollama.loaded == []


async def test_speech_after_a_long_silence_loads_the_model_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_ollama() as ollama:
        async with open_local(ollama) as (handler, _):
            await until_asked(ollama, "/api/generate")
            await handler.warm()
            await ask(handler)
            assert len(ollama.asked("/api/generate")) == 1
            monkeypatch.setattr(loading, "AGAIN_AFTER_S", 0.0)
            await handler.warm()
            await until_asked(ollama, "/api/generate", count=2)


async def test_a_missing_model_is_told_at_start_with_one_that_is_there() -> None:
    with serving_ollama(Ollama(models=("nomic-embed-text", "gemma3:4b", "mistral:7b"))) as ollama:
        async with open_local(ollama) as (handler, notices):
            told = await notices.first()
            assert f"there is no 'qwen3:4b' at {ollama.url.removesuffix('/v1')}." in told
            assert told.endswith("--set handler.model=gemma3:4b, or fetch it: ollama pull qwen3:4b")
            with pytest.raises(
                NoSuchModel, match=r"It has gemma3:4b and 1 more\. Start with: --set handler\.model=gemma"
            ):
                await ask(handler)


async def test_a_server_that_is_not_there_is_told_at_start() -> None:
    with serving_ollama() as ollama:
        pass
    async with open_local(ollama) as (_, notices):
        told = await notices.first()
        assert told.startswith(
            f"handler.model: the model can't be loaded: {ollama.url.removesuffix('/v1')}/api/generate"
        )


async def test_a_server_that_starts_later_is_asked_at_the_next_onset_of_speech() -> None:
    with serving_ollama() as ollama:
        pass
    async with open_local(ollama) as (handler, notices):
        await notices.first()
        await idle(handler)
        await handler.warm()  # it still is not there
        await idle(handler)
        with serving_ollama(port=ollama.port) as later:
            await handler.warm()
            assert len(await until_asked(later, "/api/generate")) == 1
            await idle(handler)
            await handler.warm()
            await ask(handler)
            assert len(later.asked("/api/generate")) == 1, "once it is loaded, that will do"
        assert len(notices.texts) == 1, "a failure is told once"


async def test_a_model_that_is_fetched_later_is_loaded_at_the_next_onset_of_speech() -> None:
    with serving_ollama(Ollama(models=("mistral:7b",))) as ollama:
        async with open_local(ollama) as (handler, notices):
            await notices.first()
            await idle(handler)
            ollama.models = ("mistral:7b", "qwen3:4b")
            await handler.warm()
            await until_asked(ollama, "/api/generate", count=2)
            await idle(handler)
        assert ollama.loaded == ["qwen3:4b"]
        assert len(notices.texts) == 1


async def test_lm_studio_is_left_alone() -> None:
    with serving_ollama(Ollama(is_ollama=False, is_studio=True)) as studio:
        async with open_local(studio) as (handler, notices):
            await until_asked(studio, "/api/generate")
            await idle(handler)
            await handler.warm()
            assert (await ask(handler)).text == "It is noon."
        assert notices.texts == []
        assert len(studio.asked("/api/generate")) == 1


async def test_a_server_on_the_internet_is_never_asked_to_load_even_without_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving_ollama() as internet:
        monkeypatch.setenv("http_proxy", internet.url.removesuffix("/v1"))
        async with open_local(internet, base_url="http://llm.example.com/v1", api_key_env="") as (handler, _):
            assert (await ask(handler)).text == "It is noon."
            await idle(handler)
        assert internet.asked("/api/generate") == []


async def test_a_server_that_is_not_ollama_is_left_alone() -> None:
    with serving_ollama(Ollama(is_ollama=False)) as other:
        async with open_local(other) as (handler, notices):
            await until_asked(other, "/api/generate")
            assert (await ask(handler)).text == "It is noon."
        assert notices.texts == []
        assert other.asked("/api/tags") == []


async def test_a_server_with_a_key_is_never_asked_to_load() -> None:
    with serving_ollama() as ollama:
        async with open_local(ollama, api_key_env=KEY_ENV) as (handler, _):
            await handler.warm()
            await ask(handler)
        assert ollama.asked("/api/generate") == []


async def test_a_model_thinks_unless_that_is_switched_off() -> None:
    with serving_ollama() as ollama:
        async with open_local(ollama) as (handler, _):
            loud = await ask(handler)
        async with open_local(ollama, reasoning_effort="none") as (handler, _):
            quiet = await ask(handler)
        assert loud.text == quiet.text == "It is noon."  # thoughts are never spoken
        assert [body.get("reasoning_effort") for body in ollama.asked("/v1/chat/completions")] == [None, "none"]
        assert [reply.usage[0].output_tokens for reply in (loud, quiet)] == [6, 3]


@pytest.mark.parametrize("message", EFFORT_REFUSALS)
async def test_a_server_that_refuses_the_field_is_asked_again_without_it_and_from_then_on(message: str) -> None:
    with serving_ollama(Ollama(refuses_effort=message)) as ollama:
        async with open_local(ollama, reasoning_effort="none") as (handler, notices):
            assert (await ask(handler)).text == "It is noon."
            assert (await ask(handler)).text == "It is noon."
        sent = [body.get("reasoning_effort") for body in ollama.asked("/v1/chat/completions")]
        assert sent == ["none", None, None]
        [told] = notices.texts
        assert "handler.reasoning_effort: the server doesn't take 'none'" in told


@pytest.mark.parametrize("message", ["messages: too long", "It is too long, and for this reason refused"])
async def test_another_refusal_is_not_taken_for_one_of_the_field(message: str) -> None:
    with serving_ollama(Ollama(refuses_effort=message)) as ollama:
        async with open_local(ollama, reasoning_effort="none") as (handler, notices):
            with pytest.raises(BadRequest, match=message):
                await ask(handler)
        assert len(ollama.asked("/v1/chat/completions")) == 1
        assert notices.texts == []


async def test_what_was_spoken_is_not_asked_for_and_said_again() -> None:
    with serving_ollama(Ollama(refuses_effort="reasoning failed", refuses_late=True)) as ollama:
        async with open_local(ollama, reasoning_effort="none") as (handler, _):
            reply = RecordingReply()
            with trio.fail_after(60), pytest.raises(BadRequest, match="reasoning failed"):
                await handler.handle(make_transcript("What time is it?"), reply)
        assert reply.text == "It is noon."
        assert len(ollama.asked("/v1/chat/completions")) == 1


def noon() -> str:
    """Tell the time."""
    return "12:00"


async def test_a_local_model_calls_a_tool_and_answers_with_its_result() -> None:
    with serving_ollama(Ollama(calls=[{"name": "noon", "arguments": "{}"}])) as ollama:
        options = {"tools": (f"{__name__}:noon",), "reasoning_effort": "none"}
        async with open_local(ollama, **options) as (handler, _):
            assert (await ask(handler)).text == "It is noon."
        _, second = ollama.asked("/v1/chat/completions")
        assert second["messages"][-1]["role"] == "tool"
        assert "12:00" in second["messages"][-1]["content"]
        assert second["reasoning_effort"] == "none"


async def test_openrouter_is_never_asked_to_load_a_model() -> None:
    async with open_server(Script()) as server, open_bench(endpoint(server)) as bench:
        async with ChatHandler.open(ChatOptions(model="a/b"), bench.services) as handler:
            await ask(handler)
        assert [request.path for request in server.posts()] == ["/api/v1/chat/completions"]
