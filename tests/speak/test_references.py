"""Recordings of a voice to imitate (`speak.input_references`): read once, off the loop, and sent with each request."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from testbed.http_parts import endpoint, open_bench
from testbed.server import Script, open_server
from testbed.server.catalogue import provider, providers, row
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Endpoint
from voiceloop.errors import ConfigError
from voiceloop.net.providers import path_of
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.speak.references import MOST_BYTES, Reference, encoded

MODEL = "fishaudio/s2-pro"
WAV = wav_bytes(bytes(200), 16_000)
KINDS = "WAV, MP3, FLAC, Ogg, MP4, AAC, AIFF"
MP3 = b"ID3\x04" + bytes(100)


def options(**given: Any) -> OpenRouterSpeakOptions:
    return OpenRouterSpeakOptions(**({"model": MODEL} | given))


def part(data: bytes, form: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": form}}


async def test_they_go_with_every_piece_of_speech_and_the_file_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "é.wav"
    file.write_bytes(WAV)
    values = options(input_references=[{"file": str(file), "text": "Das bin ich, \ud83d."}, {"file": str(file)}])
    async with (
        open_server() as server,
        open_bench(endpoint(server)) as bench,
        OpenRouterSynthesizer.open(values, bench.services) as synthesizer,
    ):
        file.unlink()
        assert synthesizer.description == f"openrouter, {MODEL}, an imitated voice"
        for text in ("One.", "Two."):
            async with synthesizer.speech(text) as pieces:
                usage = [piece.usage async for piece in pieces if piece.usage is not None]
            assert [each.characters for each in usage] == [4]
        assert (await synthesizer.mp3("Three."))[:2] == b"\xff\xfb"
        wanted = [part(WAV, "wav"), {"type": "text", "text": "Das bin ich, ?."}, part(WAV, "wav")]
        assert [post.body["input_references"] for post in server.posts()] == [wanted] * 3
        assert [post.body["input"] for post in server.posts()] == ["One.", "Two.", "Three."]
        assert server.broken == []


@pytest.mark.parametrize(
    ("data", "form"), [(WAV, "wav"), (MP3, "mp3"), (b"fLaC" + bytes(9), "flac"), (b"OggS" + bytes(9), "ogg")]
)
def test_the_kind_is_told_by_the_bytes(tmp_path: Path, data: bytes, form: str) -> None:
    file = tmp_path / "sound.bin"
    file.write_bytes(data)
    assert json.loads(encoded([Reference(file=str(file))])) == [part(data, form)]


def test_all_that_are_of_no_use_are_named_with_the_reason(tmp_path: Path) -> None:
    names = ("gone", "empty", "folder", "pipe", "text", "large", "closed", "nul\0")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("not a sound")
    (tmp_path / "large").write_bytes(WAV + bytes(MOST_BYTES))
    (tmp_path / "closed").write_bytes(WAV)
    (tmp_path / "closed").chmod(0)
    with pytest.raises(ConfigError) as caught:
        encoded([Reference(file=f"{tmp_path}/{name}") for name in names])
    lines = [line.replace(f"{tmp_path}/", "") for line in caught.value.problems]
    assert lines[:6] == [
        "speak.input_references[0].file: gone isn't there. Check the path",
        "speak.input_references[1].file: empty is empty",
        "speak.input_references[2].file: folder is not a file",
        "speak.input_references[3].file: pipe is not a file",
        f"speak.input_references[4].file: text is no recording of a kind that can be sent ({KINDS})",
        "speak.input_references[5].file: large is over 5 MB: cut it to some 10 s of speech",
    ]
    if os.geteuid():
        assert lines.pop(6) == "speak.input_references[6].file: closed can't be read: Permission denied"
    assert lines[6].startswith("speak.input_references[7].file: nul")


async def test_a_synthesizer_is_not_opened_with_a_recording_that_is_of_no_use(tmp_path: Path) -> None:
    values = options(input_references=[{"file": str(tmp_path / "gone.wav")}])
    async with open_server() as server, open_bench(endpoint(server)) as bench:
        with pytest.raises(ConfigError, match=r"gone\.wav isn't there"):
            async with OpenRouterSynthesizer.open(values, bench.services):
                pass
        assert server.requests == []


REMEDY = "says its listing. Leave it out, or choose another model"


@pytest.mark.parametrize(
    ("count", "can", "told"),
    [
        (1, {"supports_voice_cloning": True}, []),
        (2, {"supports_voice_cloning": True}, [f"no provider of {MODEL} takes several recordings, {REMEDY}"]),
        (1, {}, [f"no provider of {MODEL} imitates a voice, {REMEDY}"]),
    ],
)
async def test_a_model_that_imitates_no_voice_is_told_before_anything_is_sent(
    tmp_path: Path, count: int, can: dict[str, bool], told: list[str]
) -> None:
    file = tmp_path / "me.wav"
    file.write_bytes(WAV)
    pages = {path_of(MODEL): providers(provider("Fish Audio", workload="tts", **can))}
    values = options(input_references=[{"file": str(file)}] * count)
    async with open_server(Script(pages=pages)) as server, open_bench(endpoint(server)) as bench:
        async with OpenRouterSynthesizer.open(values, bench.services):
            found = await bench.told("notice", len(told))
            await server.until(lambda: any(request.done.is_set() for request in server.requests))
        assert [fields["text"] for fields in found] == [f"speak.input_references: {line}" for line in told]
        assert server.posts() == []


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        ("openai/gpt-4o-mini-tts-2025-12-15", [], ""),
        ("google/gemini-3.1-flash-tts-preview", [], ""),
        ("fishaudio/s2-pro", [], ""),
        ("mistralai/voxtral-mini-tts-2603", ["instructions"], ""),
        (
            "mistralai/voxtral-mini-tts-2603",
            [],
            "speak.instructions: mistralai/voxtral-mini-tts-2603 is not known to take it",
        ),
    ],
)
async def test_instructions_for_a_model_that_ignores_them_are_told(
    model: str, parameters: list[str], said: str
) -> None:
    catalogue = [row(model, "speech", more={"supported_parameters": parameters})]
    values = options(model=model, instructions="Warmly.")
    async with open_server(Script(catalogue=catalogue)) as server, open_bench(endpoint(server)) as bench:
        await bench.clients.models(endpoint(server), "speech")
        async with OpenRouterSynthesizer.open(values, bench.services):
            told = " ".join(str(fields["text"]) for fields in bench.named("notice"))
        assert told.startswith(said)
        assert bool(told) == bool(said)


def test_the_older_form_of_instructions_beside_the_new_one_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"provider\.openai\.instructions"):
        options(instructions="Warmly.", provider={"openai": {"instructions": "Coldly."}})


def test_the_speed_is_checked_only_if_it_is_sent() -> None:
    assert [asked.key for asked in options(speed=1.2).wanted(Endpoint()).asked] == ["speed"]
    assert options(speed=1.0).wanted(Endpoint()).asked == ()


def test_there_are_at_most_three() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        options(input_references=[{"file": "x"}] * 4)
