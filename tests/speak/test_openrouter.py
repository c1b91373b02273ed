"""Synthesizer `openrouter` (/audio/speech) against a real server on loopback."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import trio

from testbed.http_parts import endpoint, open_bench
from testbed.leaks import cancelled_at, nothing_unclosed
from testbed.server import Fault, Script, Server, open_server
from testbed.server.script import tone
from voiceloop.errors import BadAnswer, BadRequest, ServiceError, TimedOut, Unreachable
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.speak.streamed import Drip
from voiceloop.types import Speech

PCM = np.arange(-3_000, 3_000, dtype="<i2").tobytes()


@asynccontextmanager
async def open_synthesizer(
    server: Server, *, timeout_s: float = 30.0, **options: Any
) -> AsyncIterator[OpenRouterSynthesizer]:
    values = OpenRouterSpeakOptions(**({"model": "openai/tts", "voice": "alloy"} | options))
    async with (
        open_bench(endpoint(server, read_timeout_s=timeout_s)) as bench,
        OpenRouterSynthesizer.open(values, bench.services) as synthesizer,
    ):
        yield synthesizer


async def spoken(synthesizer: OpenRouterSynthesizer, text: str = "hello") -> tuple[list[Speech], ServiceError | None]:
    """All pieces of the speech, and the error that ended it."""
    pieces: list[Speech] = []
    try:
        async with synthesizer.speech(text) as speech:
            async for piece in speech:
                pieces.append(piece)
    except ServiceError as error:
        return pieces, error
    return pieces, None


def sound(pieces: list[Speech]) -> bytes:
    return b"".join(piece.pcm for piece in pieces)


async def test_a_text_is_spoken_and_its_usage_reported() -> None:
    async with open_server() as server, open_synthesizer(server) as synthesizer:
        pieces, error = await spoken(synthesizer, "hello there")
        assert error is None
        assert sound(pieces) == tone("hello there", 24_000)
        assert {piece.rate_hz for piece in pieces} == {24_000}
        usage = [piece.usage for piece in pieces if piece.usage is not None]
        assert [(u.characters, u.generation_ids) for u in usage] == [(11, ("gen-tts-0",))]
        body = {"model": "openai/tts", "input": "hello there", "voice": "alloy", "response_format": "pcm"}
        assert [request.body for request in server.requests] == [body]
        assert server.requests[0].headers["x-openrouter-title"] == "voiceloop"
        assert server.broken == []


async def test_every_option_is_sent_as_published() -> None:
    options: dict[str, Any] = {"speed": 1.5, "instructions": "Whisper.", "provider": {"azure": {"style": "sad"}}}
    async with open_server() as server, open_synthesizer(server, **options) as synthesizer:
        await spoken(synthesizer)
        assert server.posts()[0].body == {
            "model": "openai/tts",
            "input": "hello",
            "voice": "alloy",
            "response_format": "pcm",
            "speed": 1.5,
            "instructions": "Whisper.",
            "provider": {"options": {"azure": {"style": "sad"}}},
        }
        assert server.broken == []


@pytest.mark.parametrize("voice", [None, ""])
async def test_the_usual_voice_and_speed_are_not_sent(voice: str | None) -> None:
    async with open_server() as server, open_synthesizer(server, voice=voice, speed=1.0) as synthesizer:
        assert synthesizer.description == "openrouter, openai/tts"
        await spoken(synthesizer)
        assert server.requests[0].body == {"model": "openai/tts", "input": "hello", "response_format": "pcm"}
        assert server.broken == []


async def test_other_rates_and_stereo_are_decoded() -> None:
    script = Script(speech_rate_hz=44_100, speech_channels=2)
    async with open_server(script) as server, open_synthesizer(server) as synthesizer:
        pieces, _ = await spoken(synthesizer)
    assert (sound(pieces), pieces[0].rate_hz) == (tone("hello", 44_100), 44_100)


async def test_without_a_rate_from_the_server_the_configured_one_is_used() -> None:
    script = Script(speech_type="audio/pcm")
    async with open_server(script) as server, open_synthesizer(server, rate_hz=16_000) as synthesizer:
        pieces, _ = await spoken(synthesizer)
    assert pieces[0].rate_hz == 16_000


async def test_a_wav_instead_of_pcm_is_played_without_its_header() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 22_050, 0, "NONE", ""))
        writer.writeframes(PCM)
    async with open_server(Script(speech=[file.getvalue()])) as server, open_synthesizer(server) as synthesizer:
        pieces, _ = await spoken(synthesizer)
    assert (sound(pieces), pieces[0].rate_hz) == (PCM, 22_050)


JSON = (("Content-Type", "application/json"),)
REFUSED = [
    (Fault(headers=JSON, body=b'{"error": {"code": 400, "message": "no such voice"}}'), BadRequest,
     "the request was refused (HTTP 200, error 400); the server said: no such voice"),
    (Fault(headers=JSON, body=b'{"audio": "x"}'), BadAnswer, "the answer is application/json, not audio"),
    (Fault(headers=(("Content-Type", "text/html"),), body=b"<p>"), BadAnswer, "the answer is text/html, not audio"),
    (Fault(body=b"OggS rest"), BadAnswer, "the answer is Ogg, not raw PCM. Ask for PCM"),
    (Fault(body=b"ID3\x04rest"), BadAnswer, "the answer holds no sound"),
    (Fault(body=b'{"error": {"code": 400, "message": "no such voice"}}'), BadRequest, "no such voice"),
    (Fault(body=b""), BadAnswer, "the answer holds no sound. Choose another voice or model"),
    (Fault(body=b"\x01"), BadAnswer, "the answer holds no sound"),
    (Fault(body=b"RIFF\x00\x00\x00\x00WAVE"), BadAnswer, "the answer is a WAV cut off in its header"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "message"), REFUSED, ids=[row[2][:50] for row in REFUSED])
async def test_an_answer_without_audio_is_an_error_and_never_noise(
    fault: Fault, kind: type[ServiceError], message: str
) -> None:
    with nothing_unclosed():
        async with open_server(Script(faults=[fault])) as server, open_synthesizer(server) as synthesizer:
            pieces, error = await spoken(synthesizer)
    assert pieces == []
    assert type(error) is kind
    assert message in str(error)


async def test_a_stream_that_breaks_off_yields_what_arrived_then_an_error_and_the_next_works() -> None:
    async with open_server(Script(faults=[Fault(cut_after=9_001)])) as server, open_synthesizer(server) as synthesizer:
        pieces, error = await spoken(synthesizer)
        assert sound(pieces) == tone("hello", 24_000)[:9_000]
        assert type(error) is Unreachable
        assert "the connection broke off: peer closed connection" in str(error)
        assert len(server.posts()) == 1
        pieces, error = await spoken(synthesizer)
        assert (sound(pieces), error) == (tone("hello", 24_000), None)


async def test_a_stream_that_breaks_off_before_its_first_sample_is_retried() -> None:
    async with open_server(Script(faults=[Fault(cut_after=0)])) as server, open_synthesizer(server) as synthesizer:
        pieces, error = await spoken(synthesizer)
    assert (sound(pieces), error) == (tone("hello", 24_000), None)


async def test_endless_speech_waits_in_the_socket_and_is_closed() -> None:
    endless = Script(faults=[Fault(repeat=True)])
    async with open_server(endless) as server, open_synthesizer(server) as synthesizer:
        async with synthesizer.speech("hello") as pieces:
            await pieces.receive()
            sent = server.requests[0].sent
            # Nothing reads on: the server stops sending when the channel and the sockets' buffers are full.
            while sent != (sent := await _sent_after(server, 0.1)):
                pass
            assert sent < 16_000_000
        await server.requests[0].gone.wait()


async def test_speech_that_arrives_too_slowly_is_given_up() -> None:
    drip = Fault(body=bytes(200), repeat=True, piece_every_s=0.05)
    async with open_server(Script(faults=[drip])) as server, open_synthesizer(server, timeout_s=1.5) as synthesizer:
        with trio.fail_after(60):
            pieces, error = await spoken(synthesizer)
        assert type(error) is TimedOut
        assert "the speech arrives more than 4 times slower than it plays" in str(error)
        assert pieces
        await server.requests[0].gone.wait()


def test_a_slow_reader_does_not_count_as_a_slow_server() -> None:
    drip = Drip(patience_s=10.0, now=0.0)
    for at in range(0, 1_000, 50):
        drip.arrived(at + 0.1, spoken_s=at / 100)
        assert not drip.too_slow
        drip.listened(at + 50.0)
    for now, spoken_s, too_slow in ((9.0, 0.0, False), (11.0, 2.0, True), (11.0, 3.0, False)):
        drip = Drip(patience_s=10.0, now=0.0)
        drip.arrived(now, spoken_s=spoken_s)
        assert drip.too_slow is too_slow


async def _sent_after(server: Server, seconds: float) -> int:
    await trio.sleep(seconds)
    return server.requests[0].sent


@pytest.mark.parametrize("piece", [1, 7, 1024, 100_000])
async def test_leaving_speech_early_closes_the_request(piece: int) -> None:
    fault = Fault(repeat=True, piece=piece if piece > 7 else None, body=b"\0" * piece)
    with nothing_unclosed():
        async with open_server(Script(faults=[fault])) as server, open_synthesizer(server) as synthesizer:
            async with synthesizer.speech("hello") as pieces:
                await pieces.receive()
            await server.requests[0].gone.wait()


async def test_an_error_of_the_reader_is_raised_unchanged() -> None:
    with nothing_unclosed():
        async with open_server() as server, open_synthesizer(server) as synthesizer:
            with pytest.raises(ZeroDivisionError):
                await _raise_while_reading(synthesizer)


async def _raise_while_reading(synthesizer: OpenRouterSynthesizer) -> None:
    async with synthesizer.speech("hello") as pieces:
        await pieces.receive()
        raise ZeroDivisionError


async def test_speech_cancelled_at_any_point_leaves_nothing_behind() -> None:
    with nothing_unclosed():
        async with open_server() as server, open_synthesizer(server) as synthesizer:
            finished, steps = False, 0
            while not finished:
                steps += 1
                with cancelled_at(steps):
                    async with synthesizer.speech("hi") as pieces:
                        async for _ in pieces:
                            pass
                    finished = True
            assert steps > 20
            assert server.broken == []
        await server.until(lambda: not server.connections)
