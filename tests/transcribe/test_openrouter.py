"""Transcriber `openrouter` (/audio/transcriptions): the requests that it sends, and how it reads the answers."""

from __future__ import annotations

import base64
import io
import json
import math
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import endpoint, open_bench, utterance
from testbed.server import Fault, Script, Server, open_server
from voiceloop.errors import BadAnswer, BadRequest
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.transcribe.pieces import cut, join
from voiceloop.types import Transcript, Utterance, Word


@asynccontextmanager
async def open_transcriber(server: Server, **options: Any) -> AsyncIterator[OpenRouterTranscriber]:
    values = OpenRouterTranscribeOptions(**({"model": "openai/whisper-large-v3"} | options))
    async with (
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(values, bench.services) as transcriber,
    ):
        yield transcriber


async def transcribe(transcriber: OpenRouterTranscriber, seconds: float = 0.5) -> Transcript:
    clip = utterance(seconds)
    async with transcriber.transcription() as transcription:
        await transcription.feed(clip.pcm)
        return await transcription.finish(clip)


async def test_a_clip_is_posted_as_a_16_khz_wav() -> None:
    async with open_server() as server, open_transcriber(server) as transcriber:
        result = await transcribe(transcriber)
        assert result.text == "hello world"
        assert result.usage is not None
        assert (result.usage.cost_usd, result.usage.audio_s) == (0.0001, 1.5)
        assert result.usage.generation_ids == ("gen-stt-0",)
        body = server.requests[0].body
        raw = base64.b64decode(body.pop("input_audio")["data"])
        assert body == {"model": "openai/whisper-large-v3"}
        with wave.open(io.BytesIO(raw)) as file:
            assert file.getparams()[:4] == (1, 2, 16_000, 8_000)
            assert file.readframes(8_000) == utterance().pcm
        assert server.broken == []


async def test_every_option_is_sent_as_published() -> None:
    options = {"language": "de", "temperature": 0.0, "provider": {"groq": {"prompt": "Ada, Grace"}}}
    async with open_server() as server, open_transcriber(server, **options) as transcriber:
        await transcribe(transcriber)
        body = server.requests[0].body
        del body["input_audio"]
        assert body == {
            "model": "openai/whisper-large-v3",
            "language": "de",
            "temperature": 0.0,
            "provider": {"options": {"groq": {"prompt": "Ada, Grace"}}},
        }
        assert server.broken == []


async def test_the_vocabulary_is_in_the_prompt_of_each_provider_that_takes_one() -> None:
    providers = {"groq": {"prompt": "A talk."}, "other": {"x": 1}}
    options = {"vocabulary": ("Ada", "voiceloop=voice loop"), "provider": providers}
    async with open_server() as server, open_transcriber(server, **options) as transcriber:
        await transcribe(transcriber)
        assert server.posts()[0].body["provider"]["options"] == {
            "groq": {"prompt": "A talk. Ada, voiceloop"},
            "openai": {"prompt": "Ada, voiceloop"},
            "other": {"x": 1},
        }
        assert server.broken == []


async def test_silence_is_an_empty_text_not_an_error() -> None:
    async with open_server(Script(texts=[" \n"])) as server, open_transcriber(server) as transcriber:
        assert (await transcribe(transcriber)).text == ""


@pytest.mark.parametrize("body", [b"{}", b'{"text": null}', b'{"text": 7}', b'{"text": ["a"]}'])
async def test_an_answer_without_a_text_is_an_error(body: bytes) -> None:
    async with open_server(Script(faults=[Fault(body=body)])) as server, open_transcriber(server) as transcriber:
        with pytest.raises(BadAnswer, match="the answer holds no text"):
            await transcribe(transcriber)


def parsed(value: dict[str, Any]) -> Transcript:
    return transcript(JsonAnswer(value, None), utterance(), Where("http://x"))


def test_words_and_confidence_are_read_from_the_answer() -> None:
    found = parsed(
        {
            "text": "a b",
            "language": "english",
            "words": [{"word": "a", "start": 0, "end": 0.5}, {"word": "b", "start": 0.6, "end": 0.4}],
            "segments": [
                {"start": 0.0, "end": 3.0, "avg_logprob": math.log(0.9)},
                {"start": 3.0, "end": 4.0, "avg_logprob": math.log(0.5)},
            ],
        }
    )
    assert found.words == (Word("a", 0.0, 0.5), Word("b", 0.6, 0.6))
    assert found.confidence == pytest.approx(0.8)
    assert found.language == "en"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["word", "start", "end", "avg_logprob", "cost", "seconds"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(("confidence", "told"), [(0.98, "en"), (0.2, None), (None, "en"), ("high", "en")])
async def test_a_language_that_the_service_is_unsure_of_is_not_told(confidence: object, told: str | None) -> None:
    body = json.dumps({"text": "Hm.", "language": "english", "language_confidence": confidence}).encode()
    async with open_server(Script(faults=[Fault(body=body)])) as server, open_transcriber(server) as transcriber:
        assert (await transcribe(transcriber)).language == told


@given(st.dictionaries(st.sampled_from(["usage", "words", "segments", "language", "duration"]), json_values))
def test_odd_fields_of_an_answer_never_lose_its_text(value: dict[str, Any]) -> None:
    found = parsed(value | {"text": "hello"})
    assert found.text == "hello"
    assert found.confidence is None or 0 <= found.confidence <= 1
    assert found.usage is not None
    json.dumps([found.usage.cost_usd, found.usage.audio_s], allow_nan=False)


def clip_seconds(body: Any) -> float:
    with wave.open(io.BytesIO(base64.b64decode(body["input_audio"]["data"]))) as file:
        return float(file.getnframes() / file.getframerate())


VERBOSE: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}


async def test_words_and_confidence_are_requested() -> None:
    async with open_server() as server, open_transcriber(server, **VERBOSE) as transcriber:
        result = await transcribe(transcriber)
        assert [word.text for word in result.words] == ["hello", "world"]
        assert result.confidence == pytest.approx(0.905, abs=0.001)
        body = server.requests[0].body
        assert (body["response_format"], body["timestamp_granularities"]) == ("verbose_json", ["word", "segment"])
        assert server.broken == []


async def test_a_model_that_refuses_verbose_json_is_asked_without_it_and_one_notice_says_so() -> None:
    script = Script(refuse=lambda body: "response_format" in body)
    values = OpenRouterTranscribeOptions(model="google/chirp-3", **VERBOSE)
    async with (
        open_server(script) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(values, bench.services) as transcriber,
    ):
        assert (await transcribe(transcriber)).text == (await transcribe(transcriber)).text == "hello world"
        assert ["response_format" in request.body for request in server.posts()] == [True, False, False]
        assert bench.named("notice") == [
            {"text": "google/chirp-3 refuses verbose_json: no word times and no confidence from now on"}
        ]


async def test_a_clip_that_is_refused_either_way_does_not_turn_verbose_json_off() -> None:
    script = Script(faults=[Fault(status=400), Fault(status=400)])
    async with open_server(script) as server, open_transcriber(server, **VERBOSE) as transcriber:
        with pytest.raises(BadRequest):
            await transcribe(transcriber)
        assert (await transcribe(transcriber)).confidence is not None


async def test_clips_over_the_limit_are_cut_and_the_texts_joined() -> None:
    script = Script(texts=["one", "two", "three"])
    async with open_server(script) as server, open_transcriber(server, max_clip_s=5) as transcriber:
        result = await transcribe(transcriber, 9.0)
        assert result.text == "one two three"
        assert result.usage is not None
        assert result.usage.requests == 3
        assert result.usage.cost_usd == pytest.approx(0.0003)
        lengths = [clip_seconds(request.body) for request in server.requests]
        assert sum(lengths) == pytest.approx(9.0)
        assert max(lengths) <= 5


async def test_the_limit_of_a_model_that_refuses_long_clips_is_learned_and_reported_once() -> None:
    script = Script(refuse=lambda body: clip_seconds(body) > 60)
    values = OpenRouterTranscribeOptions(model="new/model")
    async with (
        open_server(script) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(values, bench.services) as transcriber,
    ):
        for _ in range(2):
            assert (await transcribe(transcriber, 61.0)).text == "hello world hello world"
        assert len(server.posts()) == 5
        assert [event["text"] for event in bench.named("notice")] == [
            "new/model refuses clips over 55 s: longer ones are cut at pauses from now on"
        ]


@given(st.integers(1, 40_000), st.floats(0.05, 1.0), st.lists(st.integers(0, 39_000), max_size=4))
def test_pieces_add_up_to_the_clip_and_are_no_longer_than_allowed(
    count: int, longest_s: float, pauses: list[int]
) -> None:
    samples = np.full(count, 1_000, dtype="<i2")
    for at in pauses:
        samples[at : at + 3_200] = 0
    whole = Utterance(samples.tobytes(), start=500, voiced_end=500 + count, continues=True)
    pieces = list(cut(whole, longest_s))
    assert b"".join(piece.pcm for piece in pieces) == whole.pcm
    assert all(0 < piece.duration_s <= longest_s for piece in pieces)
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert pieces[-1].continues


def test_a_cut_falls_into_a_pause() -> None:
    samples = np.full(16_000 * 6, 1_000, dtype="<i2")
    samples[64_000:68_000] = 3
    first, _ = cut(Utterance(samples.tobytes(), start=0, voiced_end=0), 5.0)
    assert 64_000 < first.end < 68_000


def test_joined_words_keep_their_times() -> None:
    whole = utterance(2.0)
    halves = list(cut(whole, 1.0))
    parts = [Transcript(str(at), half, words=(Word(str(at), 0.1, 0.2),)) for at, half in enumerate(halves)]
    joined = join(whole, parts)
    offset = (halves[1].start - whole.start) / 16_000
    assert joined.text == " ".join(str(at) for at in range(len(halves)))
    assert joined.words[1].start_s == pytest.approx(offset + 0.1)
