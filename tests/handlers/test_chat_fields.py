"""What a chat's request may say beside the question: reasoning, tools of the server, providers, fields of one's own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from testbed.http_parts import Bench, RecordingReply, endpoint, make_transcript, open_bench
from testbed.server import Fault, Script, Server, open_server
from testbed.server.catalogue import row
from voiceloop.config.load import preset_path
from voiceloop.config.tables import OpenRouter
from voiceloop.config.toml import parse
from voiceloop.errors import BadRequest
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.handlers.openrouter_options import Preferences
from voiceloop.handlers.voice import VoiceHandler, VoiceOptions

MODEL = "openai/gpt-x"


def noon() -> str:
    """The hour."""
    return "12"


async def ask(bench: Bench, times: int = 1, **options: Any) -> None:
    async with ChatHandler.open(ChatOptions(**({"model": MODEL} | options)), bench.services) as chat:
        for _ in range(times):
            await chat.handle(make_transcript(), RecordingReply())


async def opened(stack: AsyncExitStack, script: Script | None = None) -> tuple[Server, Bench]:
    server = await stack.enter_async_context(open_server(script or Script()))
    return server, await stack.enter_async_context(open_bench(endpoint(server)))


async def test_fields_of_ones_own_are_sent_and_so_to_any_server() -> None:
    async with AsyncExitStack() as stack:
        server, bench = await opened(stack)
        await ask(bench, extra={"top_p": 0.9, "stop": ["END"]})
        body = server.posts()[0].body
        assert (body["top_p"], body["stop"]) == (0.9, ["END"])
        await ask(bench, extra={"user": "me"}, base_url=server.url, api_key_env="VOICELOOP_TEST_KEY")
        assert server.posts()[1].body["user"] == "me"
        async with VoiceHandler.open(
            VoiceOptions(model="openai/gpt-audio", extra={"seed": 7}), bench.services
        ) as voice:
            await voice.handle(make_transcript(), RecordingReply())
        assert server.posts()[2].body["seed"] == 7
        assert server.broken == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("messages", "messages is set by the program"),
        ("model", "model is set by the program"),
        ("stream", "stream is set by the program"),
        ("stream_options", "stream_options is set by the program"),
        ("tools", "tools is set by the program"),
        ("tool_choice", "tool_choice is set by the program"),
        ("temperature", "temperature has a key of its own"),
        ("max_tokens", "max_tokens has a key of its own"),
        ("reasoning", "reasoning has a key of its own"),
        ("reasoning_effort", "reasoning_effort has a key of its own"),
        ("plugins", "plugins has a key of its own"),
        ("provider", "provider has a key of its own"),
        ("models", "models has a key of its own"),
        ("service_tier", "service_tier has a key of its own"),
        ("session_id", "session_id has a key of its own"),
    ],
)
def test_a_field_that_the_program_sets_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ChatOptions(model=MODEL, extra={name: 1})


def test_what_openrouter_runs_may_be_asked_of_it_by_its_address() -> None:
    there = "https://openrouter.ai/api/v1"
    options = ChatOptions(model=MODEL, base_url=there, server_tools={"datetime": {}}, plugins={"web": {}})
    assert options.base_url == there


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": [float("-inf")]}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="can't be sent"):
        ChatOptions(model=MODEL, extra={"x": value})


@pytest.mark.parametrize(
    "options",
    [
        {"reasoning_effort": "none", "reasoning": {"effort": "low"}},
        {"reasoning": {"effort": "none", "max_tokens": 9}},
        {"max_tokens": 9, "max_completion_tokens": 9},
        {"provider": {"only": ["groq"], "ignore": ["groq"]}},
        {"provider": {"srot": "price"}},
        {"provider": {"max_price": {"prompt": -1}}},
        {"provider": {"max_price": {"prompt": float("inf")}}},
        {"provider": {"preferred_max_latency": float("inf")}},
        {"provider": {"preferred_min_throughput": {"p50": float("inf")}}},
        {"server_tools": {"websearch": {}}},
        {"plugins": {"Web Search": {}}},
        {"service_tier": "cheap"},
        {"server_tools": {"datetime": {}}, "base_url": "http://127.0.0.1:11434/v1"},
        {"plugins": {"web": {}}, "base_url": "https://api.openai.com/v1"},
    ],
)
def test_what_contradicts_itself_or_is_misspelt_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"validation error"):
        ChatOptions(model=MODEL, **options)


@pytest.mark.parametrize(("given", "sent"), [(1, "1"), (10, "10"), (2.5, "2.5"), (0.0000006, "0.0000006")])
def test_prices_are_written_as_the_sdk_writes_them(given: float, sent: str) -> None:
    assert Preferences(max_price={"prompt": given}).body() == {"max_price": {"prompt": sent}}


REFUSAL = b'{"error": {"code": 400, "message": "Reasoning is mandatory for this endpoint and cannot be disabled."}}'


async def test_reasoning_that_the_server_refuses_is_left_out_with_one_notice() -> None:
    async with AsyncExitStack() as stack:
        server, bench = await opened(stack, Script(faults=[Fault(status=400, body=REFUSAL)]))
        await ask(bench, times=2, reasoning={"effort": "none"})
        assert [post.body.get("reasoning") for post in server.posts()] == [{"effort": "none"}, None, None]
        (told,) = bench.named("notice")
        assert str(told["text"]).startswith("handler.reasoning: the server doesn't take 'none', so it is left out. The")


async def test_another_refusal_leaves_reasoning_as_it_is() -> None:
    async with AsyncExitStack() as stack:
        server, bench = await opened(stack, Script(faults=[Fault(status=400)]))
        with pytest.raises(BadRequest):
            await ask(bench, reasoning={"effort": "none"})
        assert len(server.posts()) == 1


async def test_tools_of_the_server_stand_beside_ones_own() -> None:
    async with AsyncExitStack() as stack:
        server, bench = await opened(stack)
        await ask(bench, tools=(f"{__name__}:noon",), server_tools={"datetime": {}, "web_search": {"max_results": 2}})
        own, *theirs = server.posts()[0].body["tools"]
        assert own["function"]["name"] == "noon"
        assert theirs == [
            {"type": "openrouter:datetime"},
            {"type": "openrouter:web_search", "parameters": {"max_results": 2}},
        ]
        assert server.broken == []


async def test_what_a_model_does_not_take_is_told_before_anything_is_sent() -> None:
    takes = {"supported_parameters": ["tools", "reasoning"], "reasoning": {"supported_efforts": ["high", "low"]}}
    catalogue = [
        row(MODEL, "text", more=takes),
        row("a/b", "text", more={"supported_parameters": ["seed", "max_tokens"]}),
    ]
    async with AsyncExitStack() as stack:
        server, bench = await opened(stack, Script(catalogue=catalogue))
        options = ChatOptions(
            model=MODEL,
            models=("a/b",),
            temperature=0.5,
            max_completion_tokens=9,
            reasoning_effort="max",
            server_tools={"datetime": {}},
            extra={"seed": 7, "my_own": 1},
        )
        await stack.enter_async_context(ChatHandler.open(options, bench.services))
        told = [str(event["text"]) for event in await bench.told("notice", 7)]
        assert server.posts() == []
    no = "doesn't take it, says its listing. Leave it out, or choose another model"
    assert told == [
        f"handler.temperature: {MODEL} {no}",
        f"handler.max_completion_tokens: {MODEL} {no}",
        f"handler.extra.seed: {MODEL} {no}",
        f"handler.reasoning_effort: {MODEL} doesn't know 'max', says its listing. It knows high, low",
        f"handler.temperature: a/b {no}",
        f"handler.reasoning_effort: a/b {no}",
        f"handler.server_tools: a/b {no}",
    ]


async def test_the_listing_of_all_models_is_not_fetched_for_an_effort_of_none() -> None:
    async with AsyncExitStack() as stack:
        server, bench = await opened(stack)
        await ask(bench, reasoning={"effort": "none"})
        assert [request.method for request in server.requests if request.path.endswith("/models")] == []


def test_the_assistant_does_not_think_before_it_speaks() -> None:
    table = parse(Path(preset_path("assistant")).read_text(encoding="utf-8"))["handler"]
    assert isinstance(table, dict)
    options = ChatOptions.model_validate({key: value for key, value in table.items() if key != "use"})
    assert options.reasoning.effort == "none"
    assert not options.wanted(OpenRouter()).needs_listing
