"""What `[openrouter]` says of every request goes with every request to OpenRouter, and with none to another server."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.http_parts import RecordingReply, endpoint, make_transcript, open_bench, utterance
from testbed.server import Server, open_server
from voiceloop.captions.translation import Translation
from voiceloop.captions.translator import Model
from voiceloop.config.tables import Endpoint, OpenRouter
from voiceloop.handlers.chat import ChatHandler, ChatOptions
from voiceloop.net.common_fields import common_fields
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber

SAID: dict[str, Any] = {
    "session_id": "s-1",
    "user": "someone",
    "trace": {"where": "kitchen"},
    "zdr": True,
    "data_collection": "deny",
}
SENT = {
    "session_id": "s-1",
    "user": "someone",
    "trace": {"where": "kitchen"},
    "provider": {"zdr": True, "data_collection": "deny"},
}


def common(server: Server) -> list[dict[str, Any]]:
    assert server.broken == []
    return [{name: post.body[name] for name in SENT if name in post.body} for post in server.posts()]


async def test_all_of_it_goes_with_speech_text_and_sound() -> None:
    async with open_server() as server, open_bench(endpoint(server, **SAID)) as bench:
        heard = OpenRouterTranscribeOptions(model="openai/whisper-large-v3")
        async with (
            OpenRouterTranscriber.open(heard, bench.services) as transcriber,
            transcriber.transcription() as transcription,
        ):
            await transcription.finish(utterance())
        async with ChatHandler.open(ChatOptions(model="openai/gpt-4o-mini"), bench.services) as chat:
            await chat.handle(make_transcript(), RecordingReply())
        spoken = OpenRouterSpeakOptions(model="openai/gpt-4o-mini-tts-2025-12-15", voice="alloy")
        async with (
            OpenRouterSynthesizer.open(spoken, bench.services) as synthesizer,
            synthesizer.speech("Hello.") as pieces,
        ):
            async for _ in pieces:
                pass
        translation = Translation()
        service = bench.clients.service(translation.wanted(bench.services.config.openrouter))
        await Model(service, "fr", translation)("Hello.")
        assert common(server) == [SENT] * 4


@pytest.mark.parametrize("options", [ChatOptions, Translation])
def test_none_of_it_goes_to_a_language_model_elsewhere(options: type[Any]) -> None:
    there = options(model="any/model", base_url="http://127.0.0.1:1/v1").wanted(OpenRouter(**SAID)).settings
    assert common_fields(there) == {}
    assert (there.api_key_env, there.api_key_file) == ("", None)


def test_none_of_it_is_said_unless_it_is_set() -> None:
    assert common_fields(OpenRouter()) == common_fields(Endpoint()) == {}
    assert common_fields(OpenRouter(), {"sort": "price"}) == {"provider": {"sort": "price"}}


def test_what_a_request_says_of_its_provider_overrides_it() -> None:
    found = common_fields(OpenRouter(zdr=True, data_collection="deny"), {"data_collection": "allow", "only": ["groq"]})
    assert found == {"provider": {"zdr": True, "data_collection": "allow", "only": ["groq"]}}


def test_an_automatic_session_is_the_same_for_all_requests() -> None:
    first, second = (common_fields(OpenRouter(session_id="auto", user=user)) for user in ("a", "b"))
    assert first["session_id"] == second["session_id"] != "auto"
    assert 1 <= len(first["session_id"]) <= 256


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": ""},
        {"session_id": "x" * 257},
        {"user": ""},
        {"data_collection": "never"},
        {"zdr": "perhaps"},
        {"trace": {"at": float("nan")}},
        {"trace": {"deep": [{"at": float("inf")}]}},
    ],
)
def test_what_cannot_be_sent_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OpenRouter(**wrong)
