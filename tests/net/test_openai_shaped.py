"""OpenAI-compatible servers: clips are posted as multipart forms, and speech arrives without a rate."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from testbed.http_parts import open_bench, utterance
from testbed.server import Script, Server, open_server
from testbed.server.catalogue import row
from testbed.server.script import tone
from voiceloop.audio.wav import wav_bytes
from voiceloop.cli.check_servers import judged
from voiceloop.config.tables import Endpoint
from voiceloop.errors import BadRequest, NoSuchModel
from voiceloop.net.bodies import form_envelope
from voiceloop.net.catalogue import parse
from voiceloop.speak.openai import OpenAISpeakOptions, OpenAISynthesizer
from voiceloop.transcribe.openai import OpenAITranscribeOptions, OpenAITranscriber
from voiceloop.transcribe.realtime.transcriber import RealtimeTranscribeOptions
from voiceloop.types import Transcript


def local(**changes: Any) -> Script:
    return Script(openai=True, key=None, **changes)


async def transcribe(server: Server, **options: Any) -> Transcript:
    values = OpenAITranscribeOptions(base_url=server.url, **options)
    async with (
        open_bench(Endpoint()) as bench,
        OpenAITranscriber.open(values, bench.services) as transcriber,
        transcriber.transcription() as transcription,
    ):
        await transcription.feed(b"")
        return await transcription.finish(utterance())


async def test_a_clip_is_posted_as_a_form() -> None:
    async with open_server(local()) as server:
        result = await transcribe(server, model="Systran/faster-whisper-small")
        assert result.text == "hello world"
        assert server.requests[0].body == {
            "model": "Systran/faster-whisper-small",
            "response_format": "json",
            "file": wav_bytes(utterance().pcm, 16_000),
        }
        assert "authorization" not in server.requests[0].headers
        assert "x-openrouter-title" not in server.requests[0].headers
        assert server.broken == []


async def test_every_option_is_in_the_form() -> None:
    options = {"language": "de", "prompt": "Zoë, naïve", "temperature": 0.2, "response_format": "verbose_json"}
    async with open_server(local()) as server:
        result = await transcribe(server, **options)
        body = dict(server.requests[0].body)
        del body["file"]
        assert body == {"model": "whisper-1", **options, "temperature": "0.2"}
        assert result.confidence == pytest.approx(0.905, abs=0.001)
        assert server.broken == []


async def test_the_vocabulary_is_in_the_prompt() -> None:
    async with open_server(local()) as server:
        await transcribe(server, prompt="A talk.", vocabulary=("Ada", "voiceloop"))
        assert server.requests[0].body["prompt"] == "A talk. Ada, voiceloop"
        assert server.broken == []


async def test_a_server_that_refuses_verbose_json_is_asked_without_it() -> None:
    script = local(refuse=lambda body: body.get("response_format") == "verbose_json")
    async with open_server(script) as server:
        assert (await transcribe(server, response_format="verbose_json")).text == "hello world"


async def test_a_key_is_sent_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVER_KEY", "sesame")
    async with open_server(Script(openai=True, key="sesame")) as server:
        assert (await transcribe(server, api_key_env="MY_SERVER_KEY")).text == "hello world"


async def test_a_refusal_of_the_server_is_reported() -> None:
    async with open_server(local(models=["small"])) as server:
        with pytest.raises(NoSuchModel, match=r"/audio/transcriptions \(large\).*No endpoints found for large"):
            await transcribe(server, model="large")
    async with open_server(local(refuse=lambda _body: True)) as server:
        with pytest.raises(BadRequest, match="Provider returned error"):
            await transcribe(server)


def test_a_form_is_encoded_as_in_the_standard() -> None:
    assert form_envelope({"model": "m"}, ("clip.wav", "audio/wav"), "xyz").around(b"RIFF") == (
        "multipart/form-data; boundary=xyz",
        (
            b'--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
            b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="clip.wav"\r\n'
            b"Content-Type: audio/wav\r\n\r\nRIFF\r\n--xyz--\r\n"
        ),
    )


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/L16", "application/octet-stream"])
async def test_speech_without_a_rate_is_24_khz(kind: str) -> None:
    options: dict[str, Any] = {"voice": "af", "model": "kokoro", "speed": 1.1, "instructions": "Warmly."}
    async with open_server(local(speech_type=kind)) as server:
        values = OpenAISpeakOptions(base_url=server.url, **options)
        async with (
            open_bench(Endpoint()) as bench,
            OpenAISynthesizer.open(values, bench.services) as synthesizer,
            synthesizer.speech("hello") as pieces,
        ):
            result = [piece async for piece in pieces]
        assert b"".join(piece.pcm for piece in result) == tone("hello", 24_000)
        assert {piece.rate_hz for piece in result} == {24_000}
        assert server.requests[0].body == {"input": "hello", "response_format": "pcm", **options}
        assert server.broken == []


HERE, OPENAI = "http://127.0.0.1:8000/v1", "https://api.openai.com/v1"


def test_openais_own_server_needs_a_model_because_the_usual_one_ends() -> None:
    with pytest.raises(
        ValueError, match="must be set for OpenAI's own server: the default, whisper-1, ends there on 2027"
    ):
        OpenAITranscribeOptions(base_url=OPENAI)
    assert OpenAITranscribeOptions(base_url=HERE).model == "whisper-1"
    assert OpenAITranscribeOptions(base_url=OPENAI, model="whisper-1").model == "whisper-1"
    assert RealtimeTranscribeOptions(base_url=OPENAI).model == "gpt-live-transcribe"


@pytest.mark.parametrize(
    ("url", "model", "said"),
    [
        (OPENAI, "whisper-1", "; whisper-1 ends on 2027-02-26: choose another in time"),
        (OPENAI, "gpt-6-transcribe", ""),
        (HERE, "whisper-1", ""),
    ],
)
def test_check_tells_that_openais_models_end(url: str, model: str, said: str) -> None:
    wanted = OpenAITranscribeOptions(base_url=url, model=model).wanted(Endpoint())
    listed = parse({"data": [row(model, "transcription")]})
    assert judged(wanted, listed, date(2026, 11, 28)) == (f"it lists {model}{said}", 0)
