"""Handler `voice`, for voice-native models: posts the utterance as audio, and plays the answer while it arrives."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from testbed.http_parts import RecordingReply, endpoint, open_bench, utterance
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.server import Fault, Script, Server, open_server
from testbed.server.script import tone
from tests.handlers.test_chat import STOP, events, says
from voiceloop.audio.wav import wav_bytes
from voiceloop.errors import BadAnswer
from voiceloop.handlers.voice import VoiceHandler, VoiceOptions
from voiceloop.transcribe.no_transcriber import NoTranscribeOptions, NoTranscriber
from voiceloop.types import Message, Transcript

REPLY = "It is noon, Ada."


@asynccontextmanager
async def open_voice(server: Server, **options: Any) -> AsyncIterator[VoiceHandler]:
    values = VoiceOptions(**({"model": "openai/gpt-audio"} | options))
    async with open_bench(endpoint(server)) as bench, VoiceHandler.open(values, bench.services) as handler:
        yield handler


def spoken_transcript() -> Transcript:
    return Transcript("(spoken)", utterance())


def played(reply: RecordingReply) -> tuple[bytes, str]:
    return b"".join(speech.pcm for speech, _ in reply.played), "".join(text for _, text in reply.played)


async def test_the_utterance_is_posted_and_the_answers_audio_is_played_with_its_words() -> None:
    async with open_server(Script(replies=[REPLY])) as server, open_voice(server, system="Be brief.") as voice:
        reply = RecordingReply((Message("user", "(spoken)"), Message("assistant", "Hello.")))
        await voice.handle(spoken_transcript(), reply)
        assert played(reply) == (tone(REPLY, 24_000), REPLY)
        assert {speech.rate_hz for speech, _ in reply.played} == {24_000}
        assert all(len(speech.pcm) % 2 == 0 for speech, _ in reply.played)
        assert [usage.cost_usd for usage in reply.usage] == [0.0002]
        data = base64.b64encode(wav_bytes(utterance().pcm, 16_000)).decode()
        assert server.requests[0].body == {
            "model": "openai/gpt-audio",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "(spoken)"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}]},
            ],
            "modalities": ["text", "audio"],
            "audio": {"voice": "alloy", "format": "pcm16"},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert server.broken == []


async def test_an_answer_in_text_is_said_like_that_of_a_text_model() -> None:
    script = Script(faults=[Fault(body=events(says("Yes."), STOP))])
    async with open_server(script) as server, open_voice(server) as voice:
        reply = RecordingReply()
        await voice.handle(spoken_transcript(), reply)
        assert (reply.text, reply.played) == ("Yes.", [])


async def test_audio_that_is_not_base64_is_an_error_and_never_noise() -> None:
    odd = {"choices": [{"delta": {"audio": {"data": "###"}}}]}
    async with open_server(Script(faults=[Fault(body=events(odd))])) as server, open_voice(server) as voice:
        reply = RecordingReply()
        with pytest.raises(BadAnswer, match="the sound in the answer is not base64"):
            await voice.handle(spoken_transcript(), reply)
        assert reply.played == []


async def test_the_first_audio_is_played_before_the_answer_is_complete() -> None:
    async with open_server(Script(replies=[REPLY], faults=[Fault(hang="body")])) as server:
        async with open_voice(server) as voice, trio.open_nursery() as nursery:
            reply = RecordingReply()
            nursery.start_soon(voice.handle, spoken_transcript(), reply)
            with trio.fail_after(60):
                await reply.news.wait()
            nursery.cancel_scope.cancel()
        with trio.fail_after(60):
            await server.requests[0].gone.wait()


async def test_a_spoken_answer_cancelled_at_any_point_leaves_nothing_behind() -> None:
    with nothing_unclosed():
        async with open_server(Script(replies=[REPLY])) as server, open_voice(server) as voice:
            finished, steps = False, 0
            while not finished:
                steps += 1
                with cancelled_at(steps):
                    await voice.handle(spoken_transcript(), RecordingReply())
                    finished = True
            assert steps > 20


async def test_without_a_transcriber_the_text_is_a_placeholder() -> None:
    async with (
        open_server() as server,
        open_bench(endpoint(server)) as bench,
        NoTranscriber.open(NoTranscribeOptions(), bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        await transcription.feed(b"\0\0")
        assert (await transcription.finish(utterance())).text == "(spoken)"
        assert server.requests == []
