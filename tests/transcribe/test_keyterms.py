"""The vocabulary goes to the service as `keyterms` where the model takes them, else as the prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trio.testing import wait_all_tasks_blocked

from testbed.http_parts import endpoint, open_bench, utterance
from testbed.server import Script, open_server
from testbed.server.catalogue import row
from voiceloop.errors import BadRequest
from voiceloop.plugins import Services
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber

MODEL = "deepgram/nova-3"
VOCABULARY = ("Ada", "kubectl=cube control")


def listing(*parameters: str) -> list[dict[str, Any]]:
    return [row(MODEL, "transcription", more={"supported_parameters": list(parameters)})]


async def transcribe(services: Services, times: int = 1, **options: Any) -> None:
    values = OpenRouterTranscribeOptions(**({"model": MODEL, "vocabulary": VOCABULARY} | options))
    async with OpenRouterTranscriber.open(values, services) as transcriber:
        for _ in range(times):
            async with transcriber.transcription() as transcription:
                await transcription.finish(utterance())


def how(body: dict[str, Any]) -> str:
    if "keyterms" in body:
        assert body["keyterms"] == ["Ada", "kubectl"]
        assert "provider" not in body
        return "keyterms"
    return "prompt" if body.get("provider", {}).get("options", {}).get("groq", {}).get("prompt") else "neither"


@pytest.mark.parametrize(
    ("parameters", "keyterms", "sent"),
    [
        (("keyterms", "temperature"), None, "keyterms"),
        (("temperature",), None, "prompt"),
        ((), None, "prompt"),
        ((), True, "keyterms"),
        (("keyterms",), False, "prompt"),
    ],
)
async def test_the_listing_decides_unless_the_config_does(
    parameters: tuple[str, ...], keyterms: bool | None, sent: str
) -> None:
    script = Script(catalogue=listing(*parameters))
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        await bench.clients.models(endpoint(server), "transcription")  # it is in the cache, as after the first start
        await transcribe(bench.services, keyterms=keyterms)
        assert [how(post.body) for post in server.posts()] == [sent]
        assert server.broken == []


async def test_at_the_first_start_the_listing_is_fetched() -> None:
    async with open_server(Script(catalogue=listing("keyterms"))) as server, open_bench(endpoint(server)) as bench:
        values = OpenRouterTranscribeOptions(model=MODEL, vocabulary=VOCABULARY)
        async with OpenRouterTranscriber.open(values, bench.services) as transcriber:
            while not transcriber.takes_keyterms:
                await wait_all_tasks_blocked()
            async with transcriber.transcription() as transcription:
                await transcription.finish(utterance())
        assert [how(post.body) for post in server.posts()] == ["keyterms"]


async def test_a_model_that_refuses_them_is_sent_the_prompt_and_one_notice_says_so() -> None:
    script = Script(refuse=lambda body: "keyterms" in body)
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        await transcribe(bench.services, times=2, keyterms=True)
        assert [how(post.body) for post in server.posts()] == ["keyterms", "prompt", "prompt"]
        said = f"{MODEL} refuses keyterms: the vocabulary is sent as the prompt from now on"
        assert bench.named("notice") == [{"text": said}]


async def test_what_else_it_refuses_does_not_take_the_keyterms_away() -> None:
    script = Script(refuse=lambda body: "response_format" in body)
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        await transcribe(bench.services, times=2, keyterms=True, response_format="verbose_json")
        asked = [(how(post.body), post.body.get("response_format")) for post in server.posts()]
        assert asked == [("keyterms", "verbose_json"), ("keyterms", None), ("keyterms", None)]
        said = f"{MODEL} refuses verbose_json: no word times and no confidence from now on"
        assert bench.named("notice") == [{"text": said}]


async def test_a_clip_that_is_refused_in_every_form_turns_nothing_off() -> None:
    refusing = [True]
    async with (
        open_server(Script(refuse=lambda _: refusing[0])) as server,
        open_bench(endpoint(server)) as bench,
    ):
        values = OpenRouterTranscribeOptions(model=MODEL, vocabulary=VOCABULARY, keyterms=True)
        async with OpenRouterTranscriber.open(values, bench.services) as transcriber:
            with pytest.raises(BadRequest):
                async with transcriber.transcription() as transcription:
                    await transcription.finish(utterance())
            refusing[0] = False
            async with transcriber.transcription() as transcription:
                await transcription.finish(utterance())
        assert how(server.posts()[-1].body) == "keyterms"
        assert bench.named("notice") == []


def test_keyterms_without_a_vocabulary_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="does nothing without a vocabulary"):
        OpenRouterTranscribeOptions(model=MODEL, keyterms=True)


async def test_a_model_that_tells_speakers_and_refuses_keyterms_keeps_the_speakers() -> None:
    script = Script(refuse=lambda body: "keyterms" in body)
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        named = replace(bench.services, names_speakers=True)
        await transcribe(named, times=2, keyterms=True, diarize=True, response_format="verbose_json")
        asked = [(how(post.body), post.body.get("diarize", False)) for post in server.posts()]
        assert asked[-2:] == [("prompt", True), ("prompt", True)]
        assert [str(event["text"]).split(":")[0] for event in bench.named("notice")] == [f"{MODEL} refuses keyterms"]
