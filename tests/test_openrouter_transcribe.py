"""Transcription by /audio/transcriptions: what is sent, and what is believed of the answer."""

from __future__ import annotations

import base64
import io
import json
import math
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.parts import endpoint, open_bench, utterance
from tests.server import Fault, Script, Server, open_server
from voiceloop.errors import BadAnswer
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.types import Transcript, Word


@asynccontextmanager
async def open_transcriber(server: Server, **options: Any) -> AsyncIterator[OpenRouterTranscriber]:
    values = OpenRouterTranscribeOptions(**({"model": "openai/whisper-large-v3"} | options))
    async with (
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(values, bench.services) as transcriber,
    ):
        yield transcriber


async def hear(transcriber: OpenRouterTranscriber, seconds: float = 0.5) -> Transcript:
    clip = utterance(seconds)
    async with transcriber.transcription() as transcription:
        await transcription.feed(clip.pcm)
        return await transcription.finish(clip)


async def test_a_clip_is_posted_as_the_loops_own_wav() -> None:
    async with open_server() as server, open_transcriber(server) as transcriber:
        heard = await hear(transcriber)
        assert heard.text == "hello world"
        assert heard.usage is not None
        assert (heard.usage.cost_usd, heard.usage.audio_s) == (0.0001, 1.5)
        assert heard.usage.generation_ids == ("gen-stt-0",)
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
        await hear(transcriber)
        body = server.requests[0].body
        del body["input_audio"]
        assert body == {
            "model": "openai/whisper-large-v3",
            "language": "de",
            "temperature": 0.0,
            "provider": {"options": {"groq": {"prompt": "Ada, Grace"}}},
        }
        assert server.broken == []


async def test_silence_is_an_empty_text_not_an_error() -> None:
    async with open_server(Script(texts=[" \n"])) as server, open_transcriber(server) as transcriber:
        assert (await hear(transcriber)).text == ""


@pytest.mark.parametrize("body", [b"{}", b'{"text": null}', b'{"text": 7}', b'{"text": ["a"]}'])
async def test_an_answer_without_a_text_is_said(body: bytes) -> None:
    async with open_server(Script(faults=[Fault(body=body)])) as server, open_transcriber(server) as transcriber:
        with pytest.raises(BadAnswer, match="the answer holds no text"):
            await hear(transcriber)


def believed(value: dict[str, Any]) -> Transcript:
    return transcript(JsonAnswer(value, None), utterance(), Where("http://x"))


def test_words_and_confidence_are_read_where_they_are() -> None:
    found = believed(
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
    assert found.language == "english"


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


@given(st.dictionaries(st.sampled_from(["usage", "words", "segments", "language", "duration"]), json_values))
def test_whatever_else_an_answer_holds_the_text_comes_through(value: dict[str, Any]) -> None:
    found = believed(value | {"text": "hello"})
    assert found.text == "hello"
    assert found.confidence is None or 0 <= found.confidence <= 1
    assert found.usage is not None
    json.dumps([found.usage.cost_usd, found.usage.audio_s], allow_nan=False)
