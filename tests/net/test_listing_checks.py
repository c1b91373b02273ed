"""What a model doesn't take, by its listing or by its providers', is told before anything is posted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import endpoint, open_bench
from testbed.server import Script, open_server
from testbed.server.catalogue import provider, providers, row
from voiceloop.net.catalogue import Model, parse
from voiceloop.net.parameters import Asked, refused
from voiceloop.net.providers import parse_providers, path_of, speeds
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber

WHISPER = "openai/whisper-large-v3"
REMEDY = "says its listing. Leave it out, or choose another model"
REFUSED = [
    f"transcribe.diarize: no provider of {WHISPER} tells speakers apart, {REMEDY}",
    f"transcribe.keyterms: {WHISPER} doesn't take it, {REMEDY}",
]


async def test_it_is_told_before_anything_is_posted() -> None:
    listing = [row(WHISPER, "transcription", more={"supported_parameters": ["temperature", "language"]})]
    pages = {path_of(WHISPER): providers(provider("Groq"), provider("DeepInfra"))}
    values = OpenRouterTranscribeOptions(model=WHISPER, diarize=True, keyterms=True, vocabulary=("Ada",))
    async with (
        open_server(Script(catalogue=listing, pages=pages)) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(values, bench.services),
    ):
        told = await bench.told("notice", 2)
        assert sorted(str(fields["text"]) for fields in told) == sorted(REFUSED)
        assert server.posts() == []


async def test_nothing_is_told_where_a_provider_can_or_the_listing_does_not_say() -> None:
    listing = [row(WHISPER, "transcription")]
    pages = {path_of(WHISPER): providers(provider("Groq"), provider("Deepgram", supports_diarization=True))}
    values = OpenRouterTranscribeOptions(model=WHISPER, diarize=True, keyterms=True, vocabulary=("Ada",))
    async with open_server(Script(catalogue=listing, pages=pages)) as server, open_bench(endpoint(server)) as bench:
        async with OpenRouterTranscriber.open(values, bench.services):
            await server.until(lambda: sum(request.done.is_set() for request in server.requests) == 2)
        assert bench.named("notice") == []


async def test_nothing_more_is_asked_for_without_such_keys() -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        async with OpenRouterTranscriber.open(OpenRouterTranscribeOptions(model=WHISPER), bench.services):
            pass
        assert server.requests == []


MODEL = Model("a/b", "", (), ())


@pytest.mark.parametrize(
    ("asked", "model", "said"),
    [
        (Asked("seed", ("seed",)), MODEL, ""),
        (Asked("seed", ("seed",)), replace(MODEL, parameters=("seed", "tools")), ""),
        (Asked("seed", ("seed",)), replace(MODEL, parameters=("tools",)), "a/b doesn't take it"),
        (Asked("max", ("max_tokens", "max_completion_tokens")), replace(MODEL, parameters=("max_tokens",)), ""),
        (Asked("effort", ("reasoning",), "none"), replace(MODEL, parameters=("tools",)), ""),
        (Asked("effort", ("reasoning",), "none"), replace(MODEL, always_reasons=True), "a/b always reasons"),
        (
            Asked("effort", ("reasoning",), "none"),
            replace(MODEL, always_reasons=True, efforts=("high", "low")),
            "it refuses 'none'. Set another: high, low",
        ),
        (Asked("effort", ("reasoning",), "max"), replace(MODEL, efforts=("high", "low")), "It knows high, low"),
        (Asked("effort", ("reasoning",), "low"), replace(MODEL, efforts=("high", "low")), ""),
    ],
)
def test_a_model_takes_what_its_listing_has(asked: Asked, model: Model, said: str) -> None:
    assert said in refused(asked, model)
    assert bool(said) == bool(refused(asked, model))


def test_a_listing_tells_parameters_efforts_and_the_last_day() -> None:
    more = {
        "supported_parameters": ["tools", 7, "reasoning"],
        "reasoning": {"mandatory": True, "supported_efforts": ["high", None, "low"]},
        "expiration_date": "2027-02-26T00:00:00Z",
    }
    (found,) = parse({"data": [row("a/b", "text", more=more)]})
    assert (found.parameters, found.efforts, found.always_reasons) == (("tools", "reasoning"), ("high", "low"), True)
    assert found.ends == "2027-02-26"
    for odd in ("soon", "", 7, None):
        (found,) = parse({"data": [row("a/b", "text", more={"expiration_date": odd, "reasoning": odd})]})
        assert found.ends == ""


def test_the_fastest_provider_comes_first() -> None:
    rows: list[Any] = [{"provider_name": 7}, "odd"]
    value = providers(provider("Slow", p50_ms=900), provider("New"), provider("Fast", p50_ms=310), *rows)
    found = parse_providers(value, "transcription")
    assert [each.name for each in found] == ["Fast", "Slow", "New"]
    assert speeds(found) == "Fast 310 ms, Slow 900 ms"
    (plain,) = parse_providers(providers({"provider_name": "X", "latency_last_30m": {"p50": 12}}), "speech")
    assert plain.latency_ms == 12


def test_the_path_of_a_model_has_no_suffix_and_nothing_odd() -> None:
    assert path_of("openai/whisper-large-v3:nitro") == "/models/openai/whisper-large-v3/endpoints"
    assert path_of("a/b c?d#é") == "/models/a/b%20c%3Fd%23%C3%A9/endpoints"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_any_answer_of_a_server_is_read(value: Any, inner: Any) -> None:
    for answer in (value, {"data": inner}, {"data": {"endpoints": inner}}, {"data": {"endpoints": [inner]}}):
        parse_providers(answer, "chat")
        parse(answer)
    parse_providers(
        providers({"provider_name": "x", "perf_last_30m_by_workload": value, "latency_last_30m": inner}), "chat"
    )
    parse(
        {
            "data": [
                row("a/b", "text", more={"reasoning": value, "supported_parameters": inner, "expiration_date": value})
            ]
        }
    )
