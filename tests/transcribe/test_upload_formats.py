"""Clips in other formats than WAV in JSON: FLAC, Opus, samples alone, and as the file of a form."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from typing import Any, Literal

import numpy as np
import pytest
import soundfile
import trio
from pydantic import ValidationError
from trio.testing import wait_all_tasks_blocked

from testbed.http_parts import Bench, endpoint, open_bench, utterance
from testbed.server import Script, Server, open_server
from voiceloop.audio.clip_formats import is_long
from voiceloop.config.tables import Endpoint
from voiceloop.errors import BadRequest, EngineError, MissingExtra
from voiceloop.net.bodies import form_envelope
from voiceloop.transcribe.growing_clip import SlowClip, rest
from voiceloop.transcribe.openai import OpenAITranscribeOptions, OpenAITranscriber
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.types import Transcript, Utterance

MODEL = "openai/whisper-large-v3"


def options(**changes: Any) -> OpenRouterTranscribeOptions:
    return OpenRouterTranscribeOptions(**{"model": MODEL, **changes})


async def transcribe(server: Server, bench: Bench, clip: Utterance, **changes: Any) -> Transcript:
    async with OpenRouterTranscriber.open(options(**changes), bench.services) as transcriber:
        return await said(transcriber, clip)


async def said(transcriber: OpenRouterTranscriber | OpenAITranscriber, clip: Utterance) -> Transcript:
    """Feed the clip as it is spoken, in frames, and ask for its text."""
    async with transcriber.transcription() as transcription:
        for at in range(0, len(clip.pcm), 960):
            await transcription.feed(clip.pcm[at : at + 960])
        return await transcription.finish(clip)


def sound(file: bytes) -> bytes:
    return bytes(soundfile.read(io.BytesIO(file), dtype="int16")[0].tobytes())


@pytest.mark.parametrize("multipart", [False, True])
async def test_flac_holds_the_same_sound_in_fewer_bytes(multipart: bool) -> None:
    clip = utterance(3.0)
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        result = await transcribe(server, bench, clip, upload_format="flac", multipart=multipart)
        assert result.text == "hello world"
        (request,) = server.posts()
        given = request.body["file"] if multipart else base64.b64decode(request.body["input_audio"]["data"])
        assert multipart or request.body["input_audio"]["format"] == "flac"
        assert sound(given) == clip.pcm
        assert len(request.raw) < len(clip.pcm)
        assert server.broken == []


async def test_opus_is_encoded_while_speech_comes_and_holds_all_of_it() -> None:
    clip = utterance(3.2)
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        assert (await transcribe(server, bench, clip, upload_format="ogg")).text == "hello world"
        (request,) = server.posts()
        given = sound(base64.b64decode(request.body["input_audio"]["data"]))
        assert abs(len(given) - len(clip.pcm)) <= 640
        assert len(request.raw) < len(clip.pcm) / 6
        assert server.broken == []


async def test_opus_of_other_sound_than_was_fed_is_encoded_anew() -> None:
    clip, other = utterance(2.0), Utterance(np.zeros(16_000, "<i2").tobytes(), 0, 16_000)
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        async with (
            OpenRouterTranscriber.open(options(upload_format="ogg"), bench.services) as transcriber,
            transcriber.transcription() as transcription,
        ):
            await transcription.feed(clip.pcm)
            await transcription.finish(other)
        (request,) = server.posts()
        given = sound(base64.b64decode(request.body["input_audio"]["data"]))
        assert abs(len(given) - len(other.pcm)) <= 640


async def test_pcm_is_sent_without_a_header() -> None:
    clip = utterance()
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        await transcribe(server, bench, clip, upload_format="pcm")
        assert server.requests[0].body["input_audio"] == {
            "data": base64.b64encode(clip.pcm).decode(),
            "format": "pcm",
        }
        assert server.broken == []


async def test_every_option_is_a_part_of_the_form() -> None:
    changes = {
        "language": "de",
        "temperature": 0.0,
        "response_format": "verbose_json",
        "timestamp_granularities": ("word", "segment"),
        "provider": {"groq": {"prompt": "Ada"}},
        "multipart": True,
    }
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        result = await transcribe(server, bench, utterance(), **changes)
        assert [word.text for word in result.words] == ["hello", "world"]
        body = dict(server.requests[0].body)
        del body["file"]
        assert body == {
            "model": MODEL,
            "language": "de",
            "temperature": "0.0",
            "response_format": "verbose_json",
            "timestamp_granularities[]": ["word", "segment"],
            "provider": '{"options":{"groq":{"prompt":"Ada"}}}',
        }
        assert server.broken == []


def test_truths_and_half_characters_are_written_as_the_sdk_does() -> None:
    envelope = form_envelope({"a": True, "b": "\ud800", "c": "x"}, ("clip.wav", "audio/wav"), "z")
    assert b'name="a"\r\n\r\ntrue\r\n' in envelope.head
    assert b'name="b"\r\n\r\n?\r\n' in envelope.head
    assert envelope.around(b"RIFF") == ("multipart/form-data; boundary=z", envelope.head + b"RIFF" + envelope.tail)


@pytest.mark.parametrize("kind", ["flac", "ogg"])
async def test_a_model_that_refuses_a_format_gets_wav_and_one_notice_says_so(kind: str) -> None:
    script = Script(refuse=lambda body: body["input_audio"]["format"] != "wav")
    async with (
        open_server(script) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(options(upload_format=kind), bench.services) as transcriber,
    ):
        assert (await said(transcriber, utterance())).text == (await said(transcriber, utterance())).text
        assert [post.body["input_audio"]["format"] for post in server.posts()] == [kind, "wav", "wav"]
        expected = f"{MODEL} refuses the format {kind}: clips are posted as wav from now on"
        assert [notice["text"] for notice in bench.named("notice")] == [expected]


async def test_a_clip_under_way_when_its_format_was_refused_is_posted_as_what_it_is() -> None:
    script = Script(refuse=lambda body: body["input_audio"]["format"] != "wav")
    async with (
        open_server(script) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(options(upload_format="ogg"), bench.services) as transcriber,
        transcriber.transcription() as second,
    ):
        await second.feed(utterance().pcm)
        await said(transcriber, utterance())
        assert (await second.finish(utterance())).text == "hello world"
        assert server.broken == []


async def test_a_refused_form_is_no_refused_format() -> None:
    script = Script(refuse=lambda body: "response_format" in body)
    changes = {"upload_format": "flac", "response_format": "verbose_json"}
    async with open_server(script) as server, open_bench(endpoint(server)) as bench:
        await transcribe(server, bench, utterance(), **changes)
        assert server.posts()[-1].body["input_audio"]["format"] == "flac"
        assert [notice["text"] for notice in bench.named("notice")] == [
            f"{MODEL} refuses verbose_json: no word times and no confidence from now on"
        ]


async def test_a_clip_that_is_refused_in_any_format_is_an_error_and_nothing_is_learned() -> None:
    clips: list[str] = []

    def refuse(body: Any) -> bool:
        clips.append(body["input_audio"]["format"])
        return len(clips) <= 2

    async with (
        open_server(Script(refuse=refuse)) as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterTranscriber.open(options(upload_format="flac"), bench.services) as transcriber,
    ):
        with pytest.raises(BadRequest):
            await said(transcriber, utterance())
        await said(transcriber, utterance())
        assert clips == ["flac", "wav", "flac"]
        assert bench.named("notice") == []


@pytest.mark.parametrize("kind", ["flac", "ogg"])
async def test_a_server_of_ones_own_gets_the_format_as_a_file(kind: Literal["flac", "ogg"]) -> None:
    async with open_server(Script(openai=True, key=None)) as server, open_bench(Endpoint()) as bench:
        values = OpenAITranscribeOptions(base_url=server.url, upload_format=kind)
        async with OpenAITranscriber.open(values, bench.services) as transcriber:
            assert (await said(transcriber, utterance())).text == "hello world"
        (request,) = server.posts()
        assert f'filename="clip.{kind}"'.encode() in request.raw
        assert f"Content-Type: audio/{kind}".encode() in request.raw
        assert server.broken == []


async def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceloop.audio.clip_formats.find_spec", lambda name: None)
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(MissingExtra) as caught:
            await transcribe(server, bench, utterance(), upload_format="flac")
        assert str(caught.value) == (
            "transcribe.upload_format = 'flac' needs the package 'soundfile', which is not installed. "
            "pip install 'voiceloop[uploads]', or leave upload_format out: clips are then posted as WAV"
        )


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
async def test_a_library_that_can_not_be_used_is_told_at_the_start(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise kind("sndfile library not found")

    monkeypatch.setattr("voiceloop.transcribe.clip_transcriber.load", broken)
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(EngineError, match=r"upload_format = 'ogg': libsndfile can't be used: sndfile library"):
            await transcribe(server, bench, utterance(), upload_format="ogg")
        assert server.requests == []


@pytest.mark.parametrize("use", ["openrouter", "openai", "realtime"])
def test_a_format_is_loaded_in_a_thread_before_the_first_clip(use: str) -> None:
    code = f"""
import sys, threading, trio
from voiceloop.config.tables import Endpoint, OpenRouter
from testbed.http_parts import open_bench
from voiceloop.registry import find
class Seen:
    def find_spec(self, name, path, target=None):
        if name == "soundfile":
            threads.append(threading.current_thread() is threading.main_thread())
threads = []
assert "soundfile" not in sys.modules
sys.meta_path.insert(0, Seen())
async def main():
    part = find("transcribe", "{use}").part
    options = part.Options(**({{"model": "a/b"}} if "{use}" == "openrouter" else {{}}), upload_format="flac")
    async with open_bench(OpenRouter(api_key_env="")) as bench, part.open(options, bench.services):
        assert "soundfile" in sys.modules
trio.run(main)
assert threads[-1] is False, threads
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("kind", "seconds", "is_so"),
    [("wav", 50, False), ("wav", 60, True), ("flac", 3, False), ("flac", 50, True), ("ogg", 1, True)],
)
def test_a_clip_that_takes_long_to_encode_is_not_encoded_in_the_loop(kind: Any, seconds: float, is_so: bool) -> None:
    assert is_long(kind, seconds) == is_so


def test_without_a_format_nothing_is_imported_for_it() -> None:
    code = """
import sys
from voiceloop.transcribe.openrouter import OpenRouterTranscriber
from voiceloop.audio.clip_formats import encoded, encoder
encoded("wav", b"", 16_000), encoder("pcm", 16_000).end()
assert "soundfile" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"upload_format": "mp3"}, "upload_format"),
        ({"upload_format": "pcm", "multipart": True}, "a form can't say that its file is pcm"),
        ({"multipart": "perhaps"}, "multipart"),
    ],
)
def test_what_can_not_be_sent_is_a_mistake_in_the_config(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        options(**changes)


@pytest.mark.parametrize(
    ("taken", "clip", "left"),
    [
        (b"", b"abcd", b"abcd"),
        (b"ab", b"abcd", b"cd"),
        (b"abcd", b"abcd", b""),
        (b"abcdef", b"abcd", b""),
        (b"xb", b"abcd", None),
        (b"abcd" + bytes(16_001), b"abcd", None),
    ],
)
def test_the_rest_of_a_clip_is_what_was_not_taken(taken: bytes, clip: bytes, left: bytes | None) -> None:
    assert rest(taken, clip) == left


async def test_a_clip_that_is_given_up_while_it_is_encoded_waits_for_nothing() -> None:
    growing = SlowClip("ogg")
    with trio.move_on_after(0) as scope:
        await growing.feed(utterance(2.0).pcm)
    assert scope.cancelled_caught
    await wait_all_tasks_blocked()
