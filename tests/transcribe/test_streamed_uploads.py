"""Clips that are sent while they are spoken: what goes over the wire, refusals, noises, limits and money."""

from __future__ import annotations

import base64
import io
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soundfile
import trio
import trio.testing
from pydantic import ValidationError

from testbed.http_parts import Bench, endpoint, open_bench, utterance
from testbed.leaks import nothing_unclosed
from testbed.middlebox import open_middlebox
from testbed.server import Fault, Script, Server, StreamFault, open_server
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.capture.vad.webrtc import WebRtcOptions, WebRtcVad
from voiceloop.cli.check_online import transcribed
from voiceloop.config.tables import Endpoint, Hallucinations, Limits, OpenRouter, Retry, Segment
from voiceloop.errors import BadAnswer, ConfigError, TimedOut
from voiceloop.transcribe.openai import OpenAITranscribeOptions, OpenAITranscriber
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.transcribe.realtime.transcriber import RealtimeTranscribeOptions
from voiceloop.transcribe.screening import Screened
from voiceloop.turns.transcribing import Transcribing
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Transcript, Utterance

FRAME_BYTES = 960
Transcriber = OpenRouterTranscriber | OpenAITranscriber


@asynccontextmanager
async def streaming(
    script: Script | None = None, *, server_changes: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[tuple[Server, Bench, OpenRouterTranscriber]]:
    values = OpenRouterTranscribeOptions(**({"model": "openai/whisper-large-v3"} | options))
    async with open_server(script) as server:
        settings = endpoint(server, upload="streamed", **(server_changes or {}))
        async with open_bench(settings) as bench, OpenRouterTranscriber.open(values, bench.services) as transcriber:
            yield server, bench, transcriber


async def speak(transcription: Any, pcm: bytes) -> None:
    for at in range(0, len(pcm), FRAME_BYTES):
        await transcription.feed(pcm[at : at + FRAME_BYTES])


async def said(transcriber: Transcriber, clip: Utterance, server: Server | None = None) -> Transcript:
    """Say a clip; with `server` its request has begun to arrive before the end."""
    async with transcriber.transcription() as transcription:
        await speak(transcription, clip.pcm)
        if server is not None:
            streams = server.streams
            await server.until(lambda: server.streams > 0 and server.streams >= streams)
        return await transcription.finish(clip)


def sound(body: Any) -> bytes:
    data = body["file"] if "file" in body else base64.b64decode(body["input_audio"]["data"], validate=True)
    return bytes(data)


def of_wav(file: bytes) -> bytes:
    """The samples of a WAV whose header doesn't know its length."""
    assert file[4:8] == file[40:44] == b"\xff" * 4
    whole = file[:40] + (len(file) - 44).to_bytes(4, "little") + file[44:]
    with wave.open(io.BytesIO(whole)) as reader:
        assert reader.getparams()[:3] == (1, 2, CAPTURE_RATE_HZ)
        samples: bytes = reader.readframes(reader.getnframes())
        return samples


# On the wire


@pytest.mark.parametrize("multipart", [False, True])
async def test_speech_is_sent_as_it_comes_and_the_request_ends_at_the_pause(multipart: bool) -> None:
    clip = utterance(2.0)
    with nothing_unclosed():
        async with streaming(multipart=multipart) as (server, _, transcriber):
            async with transcriber.transcription() as transcription:
                await speak(transcription, clip.pcm)
                # Nearly all of it is there, and no request is complete.
                await server.until(lambda: server.streamed_bytes > len(clip.pcm) * (0.9 if multipart else 1.2))
                assert server.posts() == []
                assert (await transcription.finish(clip)).text == "hello world"
            (request,) = server.posts()
            assert request.headers["transfer-encoding"] == "chunked"
            assert "content-length" not in request.headers
            assert of_wav(sound(request.body)) == clip.pcm
            assert server.streams == 1
            assert server.broken == []


@pytest.mark.parametrize("count", range(8_000, 8_006))
async def test_base64_joins_whatever_the_length(count: int) -> None:
    clip = Utterance(utterance(1.0).pcm[: count * SAMPLE_BYTES], 0, count)
    async with streaming(upload_format="pcm") as (server, _, transcriber):
        await said(transcriber, clip)
        (request,) = server.posts()
        assert request.body["input_audio"]["format"] == "pcm"
        assert sound(request.body) == clip.pcm


async def test_opus_is_encoded_as_it_comes() -> None:
    clip = utterance(2.0)
    async with streaming(upload_format="ogg") as (server, _, transcriber):
        await said(transcriber, clip, server)
        (request,) = server.posts()
        samples, _ = soundfile.read(io.BytesIO(sound(request.body)), dtype="int16")
        assert abs(len(samples) - clip.samples) <= 320
        assert request.headers["transfer-encoding"] == "chunked"


async def test_all_options_and_the_forms_are_those_of_whole_clips() -> None:
    options: dict[str, Any] = {
        "language": "de",
        "response_format": "verbose_json",
        "provider": {"groq": {"prompt": "Ada"}},
    }
    async with streaming(**options) as (server, _, transcriber):
        assert (await said(transcriber, utterance())).confidence is not None
        body = server.posts()[0].body
        assert (body["language"], body["response_format"]) == ("de", "verbose_json")
        assert body["provider"] == {"options": {"groq": {"prompt": "Ada"}}}


async def test_a_server_of_ones_own_gets_a_form_as_it_is_spoken() -> None:
    clip = utterance()
    async with open_server(Script(openai=True, key=None)) as server, open_bench(Endpoint()) as bench:
        values = OpenAITranscribeOptions(base_url=server.url, upload="streamed")
        async with OpenAITranscriber.open(values, bench.services) as transcriber:
            assert (await said(transcriber, clip, server)).text == "hello world"
        (request,) = server.posts()
        assert of_wav(sound(request.body)) == clip.pcm
        assert server.broken == []


async def test_a_clip_that_comes_in_one_piece_is_posted_whole() -> None:
    async with streaming() as (server, _, transcriber):
        async with transcriber.transcription() as transcription:
            await transcription.feed(utterance().pcm)
            await transcription.finish(utterance())
        assert server.streams == 0
        assert "content-length" in server.posts()[0].headers


async def test_some_quiet_that_was_sent_beyond_the_clip_is_not_sent_again() -> None:
    clip = utterance(1.0)
    async with streaming() as (server, _, transcriber):
        async with transcriber.transcription() as transcription:
            await speak(transcription, clip.pcm + bytes(6_400))
            await transcription.finish(clip)
        assert of_wav(sound(server.posts()[0].body)) == clip.pcm + bytes(6_400)


async def test_other_sound_than_was_sent_is_posted_whole_and_the_rest_is_cancelled() -> None:
    clip = utterance(1.0)
    other = Utterance(clip.pcm[::-1], 0, clip.samples)
    async with streaming() as (server, bench, transcriber):
        async with transcriber.transcription() as transcription:
            await speak(transcription, clip.pcm)
            await server.until(lambda: server.streams == 1)
            assert (await transcription.finish(other)).text == "hello world"
        (request,) = server.posts()
        assert sound(request.body)[44:] == other.pcm
        assert bench.named("notice") == []
        await said(transcriber, clip)
        assert server.streams == 2  # that was no refusal


# Refusals


REFUSALS: dict[str, Script] = {
    "400": Script(faults=[Fault(status=400)]),
    "411": Script(faults=[Fault(status=411)]),
    "413": Script(faults=[Fault(status=413)]),
    "415": Script(faults=[Fault(status=415)]),
    "422": Script(faults=[Fault(status=422)]),
    "501": Script(faults=[Fault(status=501)]),
    "dropped": Script(faults=[Fault(drop=True)]),
    "early 413": Script(stream_fault=StreamFault(status=413)),
    "early 411, read on": Script(stream_fault=StreamFault(status=411, reads_on=True)),
    "early 400, read on": Script(stream_fault=StreamFault(status=400, reads_on=True)),
    "closed at once": Script(stream_fault=StreamFault()),
    "closed at the end": Script(stream_fault=StreamFault(reads_on=True)),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_a_server_refuses_is_posted_whole_once_and_no_further_one_is_tried(name: str) -> None:
    script, clip = REFUSALS[name], utterance(1.5)
    script = Script(faults=list(script.faults), stream_fault=script.stream_fault)
    async with streaming(script) as (server, bench, transcriber):
        assert (await said(transcriber, clip, server)).text == "hello world"
        assert (await said(transcriber, clip)).text == "hello world"
        assert server.streams == 1
        whole = [post for post in server.posts() if "content-length" in post.headers]
        assert [sound(post.body)[44:] == clip.pcm for post in whole] == [True, True]
        assert len(server.posts()) - len(whole) <= 1
        (notice,) = bench.named("notice")
        assert "takes no clip while it is spoken" in str(notice["text"])
        assert "whole ones from now on" in str(notice["text"])


@pytest.mark.parametrize("reads_on", [False, True])
async def test_a_server_that_closes_warm_connections_refuses_at_the_second(reads_on: bool) -> None:
    clip = utterance(1.5)
    async with streaming(Script(stream_fault=StreamFault(reads_on=reads_on))) as (server, bench, transcriber):
        for expected in (1, 2, 2, 2):
            await transcriber.warm()
            assert (await said(transcriber, clip)).text == "hello world"
            assert server.streams == expected
        (notice,) = bench.named("notice")
        assert "it closed the connection" in str(notice["text"])


async def test_a_server_whose_decoder_fails_on_it_refuses_at_the_second_in_a_row() -> None:
    script, failed = Script(faults=[]), Fault(status=500)
    async with streaming(script) as (server, bench, transcriber):
        # Each clip that fails is posted once more, as a whole.
        for faults, streams, posts in (([failed], 1, 2), ([], 2, 3), ([failed], 3, 5), ([failed], 4, 7), ([], 4, 8)):
            script.faults[:] = faults
            assert (await said(transcriber, utterance())).text == "hello world"
            assert (server.streams, len(server.posts())) == (streams, posts)
        (notice,) = bench.named("notice")
        assert "(HTTP 500)" in str(notice["text"])


async def test_one_idle_connection_that_was_closed_now_and_then_refuses_nothing() -> None:
    fault = Fault(drop=True)
    async with streaming(Script(faults=[fault, Fault(), Fault(), fault, Fault(), Fault()])) as (server, bench, tr):
        for _ in range(4):
            await tr.warm()
            assert (await said(tr, utterance())).text == "hello world"
        assert (server.streams, len(server.posts())) == (4, 6)
        assert bench.named("notice") == []


async def test_a_server_that_takes_nothing_for_three_seconds_refuses() -> None:
    # More than the system takes by itself.
    clip = Utterance(np.random.default_rng(3).integers(-9, 9, 3_000_000).astype("<i2").tobytes(), 0, 3_000_000)
    async with streaming(Script(stream_fault=StreamFault(deaf=True)), max_clip_s=3_600) as (server, bench, transcriber):
        assert (await said(transcriber, clip, server)).text == "hello world"
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (server.streams, len(server.posts())) == (1, 2)
        assert "it took nothing for 3 s" in str(bench.named("notice")[0]["text"])


async def test_a_refused_form_is_no_refusal_of_streams() -> None:
    script = Script(refuse=lambda body: "response_format" in body)
    async with streaming(script, response_format="verbose_json") as (server, bench, transcriber):
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (await said(transcriber, utterance())).text == "hello world"
        assert server.streams == 2
        assert ["refuses verbose_json" in str(notice["text"]) for notice in bench.named("notice")] == [True]


async def test_an_answer_before_the_end_of_the_clip_is_not_taken_for_the_whole() -> None:
    clip, answered, bodies = utterance(2.0), trio.Event(), list[bytes]()

    async def hasty(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some(512)
        if b"HEAD " in head:
            return
        text = "half"
        if b"chunked" not in head:
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = head.split(b"\r\n\r\n", 1)[1]
            while len(body) < length:
                body += await stream.receive_some(65_536)
            bodies.append(body)
            text = "all of it"
        data = b'{"text": "%b"}' % text.encode()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))
        answered.set()  # and the connection is closed with what was not read

    values = OpenRouterTranscribeOptions(model="a/b")
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, hasty, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        settings = OpenRouter(base_url=url, api_key_env="", upload="streamed")
        async with open_bench(settings) as bench, OpenRouterTranscriber.open(values, bench.services) as transcriber:
            async with transcriber.transcription() as transcription:
                await speak(transcription, clip.pcm[: 2 * FRAME_BYTES])
                await answered.wait()
                await trio.testing.wait_all_tasks_blocked(0.05)
                assert (await transcription.finish(clip)).text == "all of it"
            (notice,) = bench.named("notice")
            assert "it answers before the end" in str(notice["text"])  # else each clip would be paid twice
        assert len(bodies) == 1
        nursery.cancel_scope.cancel()


async def test_an_answer_that_breaks_off_is_no_refusal() -> None:
    async with streaming(Script(faults=[Fault(cut_after=5)])) as (server, bench, transcriber):
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (server.streams, len(server.posts())) == (2, 3)
        assert bench.named("notice") == []


async def test_a_server_that_fails_is_asked_again_with_the_whole_clip_and_refuses_nothing() -> None:
    async with streaming(Script(faults=[Fault(status=503)])) as (server, bench, transcriber):
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (server.streams, len(server.posts())) == (2, 3)
        assert bench.named("notice") == []


async def test_a_server_that_asked_for_fewer_requests_gets_only_what_is_needed() -> None:
    async with streaming(Script(faults=[Fault(status=429)])) as (server, bench, transcriber):
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (await said(transcriber, utterance())).text == "hello world"
        assert (server.streams, len(server.posts())) == (1, 3)
        assert bench.named("notice") == []


async def test_silence_is_no_refusal_and_is_not_paid_twice() -> None:
    changes = {"read_timeout_s": 0.5, "retry": Retry(max_elapsed_s=0)}
    async with streaming(Script(faults=[Fault(hang="head")]), server_changes=changes) as (server, bench, transcriber):
        with pytest.raises(TimedOut):
            await said(transcriber, utterance())
        assert len(server.posts()) == 1
        await said(transcriber, utterance())
        assert (server.streams, len(server.posts())) == (2, 2)
        assert bench.named("notice") == []


async def test_speech_may_last_longer_than_a_request_may_wait() -> None:
    changes = {"connect_timeout_s": 1.0, "read_timeout_s": 0.7, "retry": Retry(max_elapsed_s=0)}  # 3.1 s in all
    async with streaming(server_changes=changes) as (server, _, transcriber):
        async with transcriber.transcription() as transcription:
            await speak(transcription, part(utterance(1.0), 0.5).pcm)
            await server.until(lambda: server.streamed_bytes > 10_000)
            await trio.sleep(3.4)
            assert (await transcription.finish(utterance(1.0))).text == "hello world"
        assert (server.streams, len(server.posts())) == (1, 1)
        assert "transfer-encoding" in server.posts()[0].headers


async def test_an_answer_that_is_none_is_an_error_and_is_not_paid_twice() -> None:
    async with streaming(Script(faults=[Fault(body=b"<html>")])) as (server, _, transcriber):
        with pytest.raises(BadAnswer):
            await said(transcriber, utterance())
        assert len(server.posts()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is acknowledged")
async def test_a_line_that_dies_meanwhile_is_no_refusal() -> None:
    clip = utterance(2.0)
    values = OpenRouterTranscribeOptions(model="a/b")
    async with open_server() as server, open_middlebox(server.port) as box:
        settings = endpoint(server, base_url=box.url, upload="streamed")
        async with open_bench(settings) as bench, OpenRouterTranscriber.open(values, bench.services) as transcriber:
            with trio.fail_after(60):
                async with transcriber.transcription() as transcription:
                    await speak(transcription, clip.pcm[:32_000])
                    await server.until(lambda: server.streamed_bytes > 10_000)
                    box.drop()
                    await speak(transcription, clip.pcm[32_000:])
                    assert (await transcription.finish(clip)).text == "hello world"
                (request,) = server.posts()
                assert sound(request.body)[44:] == clip.pcm
                assert bench.named("notice") == []
                await said(transcriber, clip)
                assert server.streams == 2


# What is not to be transcribed


async def test_a_noise_is_cancelled_never_completed_and_a_connection_is_warmed() -> None:
    with nothing_unclosed():
        async with streaming() as (server, bench, transcriber):
            async with transcriber.transcription() as transcription:
                await speak(transcription, utterance(1.0).pcm)
                await server.until(lambda: server.streamed_bytes > 20_000)
                connected = server.connected
            with trio.fail_after(20):
                await server.until(lambda: server.connected > connected)
            assert server.posts() == []
            assert (await said(transcriber, utterance())).text == "hello world"
            assert len(server.posts()) == 1
            assert bench.named("notice") == []


async def test_a_noise_counts_among_the_posts_and_leaves_those_alone_that_are_needed() -> None:
    values = OpenRouterTranscribeOptions(model="a/b")
    async with open_server() as server:
        settings = endpoint(server, upload="streamed")
        async with (
            open_bench(settings, limits=Limits(max_posts_per_minute=8)) as bench,
            OpenRouterTranscriber.open(values, bench.services) as transcriber,
        ):
            for expected in (*range(1, 8), 7, 7):
                async with transcriber.transcription() as transcription:
                    await speak(transcription, utterance(0.3).pcm)
                    await trio.testing.wait_all_tasks_blocked()
                    with trio.fail_after(20):
                        await server.until(partial(lambda count: server.streams == count, expected))
            with trio.fail_after(20):  # a quarter of them is kept for what must be sent
                assert (await said(transcriber, utterance())).text == "hello world"


class Owner:
    """A turn that saves nothing."""

    def __init__(self) -> None:
        self.posted_clips = 0

    async def saved(self) -> None:
        await trio.lowlevel.checkpoint()

    def posting(self, clip: Utterance) -> None:
        self.posted_clips += 1

    def posted(self, transcript: Transcript) -> None: ...

    def pause_failed(self) -> None: ...


def speech_of(transcriber: Any) -> Transcribing:
    return Transcribing(transcriber, trio.CapacityLimiter(3), 20, Owner())


def part(clip: Utterance, end_s: float) -> Utterance:
    count = round(end_s * CAPTURE_RATE_HZ)
    return Utterance(clip.pcm[: count * SAMPLE_BYTES], clip.start, clip.start + count)


async def test_speech_that_goes_on_after_a_pause_is_sent_from_its_beginning_while_it_goes_on() -> None:
    clip = utterance(2.0)
    first = part(clip, 1.0)
    async with streaming(Script(transcribe_s=0.2)) as (server, _, transcriber), trio.open_nursery() as nursery:
        speech = speech_of(transcriber)
        nursery.start_soon(speech.run)
        speech.begin()
        for at in range(0, len(first.pcm), FRAME_BYTES):
            speech.feed(first.pcm[at : at + FRAME_BYTES])
        speech.pause(first)
        await server.until(lambda: len(server.posts()) == 1)
        speech.resume()
        rest = clip.pcm[len(first.pcm) :]
        for at in range(0, len(rest) // 2, FRAME_BYTES):
            speech.feed(rest[at : at + FRAME_BYTES])
        before = server.streamed_bytes
        await server.until(lambda: server.streams == 2 and server.streamed_bytes > before + len(clip.pcm) * 0.9)
        assert len(server.posts()) == 1  # not complete yet
        for at in range(len(rest) // 2 // FRAME_BYTES * FRAME_BYTES + FRAME_BYTES, len(rest), FRAME_BYTES):
            speech.feed(rest[at : at + FRAME_BYTES])
        speech.end(clip)
        assert (await speech.text()).text == "hello world"
        assert of_wav(sound(server.posts()[0].body)) == first.pcm


async def test_what_may_not_count_is_sent_only_at_its_end() -> None:
    clip = utterance(1.0)
    async with streaming() as (server, _, transcriber), trio.open_nursery() as nursery:
        speech = speech_of(transcriber)
        nursery.start_soon(speech.run)
        speech.begin(held=True)
        for at in range(0, len(clip.pcm), FRAME_BYTES):
            speech.feed(clip.pcm[at : at + FRAME_BYTES])
        await trio.testing.wait_all_tasks_blocked()
        speech.end(clip)
        assert (await speech.text()).text == "hello world"
        assert server.streams == 0
        assert sound(server.posts()[0].body)[44:] == clip.pcm


def noises() -> bytes:
    """A minute of coughs and slammed doors: bursts of noise, two of low tones, all with an abrupt beginning."""
    chance = np.random.default_rng(5)
    samples = chance.normal(0, 30, 60 * CAPTURE_RATE_HZ)
    for second in range(1, 59, 2):
        for burst in range(chance.integers(1, 4)):
            length = int(chance.uniform(0.1, 0.35) * CAPTURE_RATE_HZ)
            at = int((second + 0.3 * burst) * CAPTURE_RATE_HZ)
            fall = np.exp(-np.arange(length) / (0.25 * length))
            body = chance.normal(0, 6_000, length)
            if second % 3 == 0:
                body = np.cumsum(body) / 20
            samples[at : at + length] += fall * body
    return np.clip(samples, -32_768, 32_767).astype("<i2").tobytes()


async def finished_requests(pcm: bytes, upload: str, rules: Hallucinations) -> tuple[int, int]:
    """The requests that a sound takes to their end, and those that it begins while it is heard."""
    values = OpenRouterTranscribeOptions(model="a/b")
    async with open_server() as server, open_bench(endpoint(server, upload=upload)) as bench:
        async with OpenRouterTranscriber.open(values, bench.services) as inner, trio.open_nursery() as nursery:
            speech: Transcribing | None = None
            vad, segmenter = WebRtcVad(WebRtcOptions()), Segmenter.of(Segment(adaptive=False))
            for start, end in pairwise([*range(0, len(pcm), FRAME_BYTES), len(pcm)]):
                frame = Frame(pcm[start:end], start // SAMPLE_BYTES)
                for event in segmenter.feed(frame, vad.feed(frame.pcm, frame.index)):
                    if isinstance(event, SpeechStarted):
                        speech = speech_of(Screened(inner, rules, (), None))
                        nursery.start_soon(speech.run)
                        speech.begin()
                    assert speech is not None
                    await _hand_on(speech, event)
                await trio.lowlevel.checkpoint()
            if speech is not None and not speech.complete.is_set():
                speech.drop()
        return len(server.posts()), server.streams


async def _hand_on(speech: Transcribing, event: Any) -> None:
    match event:
        case SpeechStarted() | SpeechAudio():
            speech.feed(event.pcm)
            await trio.sleep(0.001)  # so that it is under way before the next
        case SpeechPaused():
            speech.pause(event.utterance)
            with trio.move_on_after(5):  # as long as the pause lasts
                await speech.text()
        case SpeechResumed():
            speech.resume()
        case SpeechEnded():
            speech.end(event.utterance)
        case SpeechDropped():
            speech.drop()


@pytest.mark.parametrize("screens", [True, False])
async def test_a_minute_of_coughs_and_slammed_doors_finishes_no_more_requests_than_whole_clips(screens: bool) -> None:
    """With the screening, and without it: then each of them is posted."""
    pcm, rules = noises(), Hallucinations(quiet=screens)
    whole, streams = await finished_requests(pcm, "whole", rules)
    assert (whole == 0, streams) == (screens, 0)
    streamed, streams = await finished_requests(pcm, "streamed", rules)
    print(f"a minute of noises: {whole} requests with whole clips, {streamed} streamed of {streams} begun")
    assert streamed <= whole
    assert streams > (0 if screens else streamed - 1)


async def test_check_online_sends_its_sentence_as_it_would_be_spoken() -> None:
    async with streaming() as (server, _, transcriber):
        transcript, _ = await transcribed(transcriber, utterance())
        assert transcript.text == "hello world"
        assert (server.streams, len(server.posts())) == (1, 1)


# Limits of what can be sent


async def test_a_clip_over_the_models_limit_is_given_up_and_posted_in_pieces() -> None:
    script = Script(texts=["one", "two"])
    async with streaming(script, max_clip_s=5) as (server, bench, transcriber):
        clip = utterance(8.0)
        async with transcriber.transcription() as transcription:
            await speak(transcription, clip.pcm[:96_000])
            await server.until(lambda: server.streams == 1)
            await speak(transcription, clip.pcm[96_000:])
            assert (await transcription.finish(clip)).text == "one two"
        assert (server.streams, len(server.posts())) == (1, 2)
        assert bench.named("notice") == []


async def test_flac_can_not_be_sent_as_it_is_spoken() -> None:
    with pytest.raises(ConfigError, match="'flac' can't be sent while you speak"):
        async with streaming(upload_format="flac"):
            pass


def test_a_websocket_has_no_clips_to_send_so() -> None:
    with pytest.raises(ValidationError, match="speech goes over the WebSocket as it comes"):
        RealtimeTranscribeOptions(upload="streamed")


@pytest.mark.parametrize("value", ["stream", "", None, 1])
def test_another_word_is_a_mistake_in_the_config(value: Any) -> None:
    with pytest.raises(ValidationError, match="upload"):
        OpenAITranscribeOptions(upload=value)


async def test_unless_it_is_asked_for_nothing_is_sent_as_it_is_spoken() -> None:
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        options = OpenRouterTranscribeOptions(model="a/b")
        async with OpenRouterTranscriber.open(options, bench.services) as transcriber:
            await said(transcriber, utterance())
        assert server.streams == 0
