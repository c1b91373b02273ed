"""`voiceloop say --save`: speech saved as WAV and MP3 files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast

import pytest
import trio

from testbed.http_parts import endpoint, open_bench
from testbed.server import Fault, Script, open_server
from testbed.server.script import tone
from tests.speak.test_openrouter import open_synthesizer
from voiceloop.audio.wav import read_wav
from voiceloop.errors import BadAnswer, BadRequest, DeviceError, UsageError
from voiceloop.plugins import Synthesizer
from voiceloop.speak.espeak import EspeakSynthesizer
from voiceloop.speak.openrouter import OpenRouterSpeakOptions, OpenRouterSynthesizer
from voiceloop.speak.saving import checked, pieces, save

LONG = "This is a sentence that goes on for a while and says little. " * 60


def test_long_texts_are_cut_between_sentences_and_nothing_is_left_out() -> None:
    parts = pieces(LONG)
    assert len(parts) > 2
    assert all(len(part) <= 1_000 for part in parts)
    assert " ".join(part.strip() for part in parts).split() == LONG.split()


def test_a_model_s_thoughts_are_not_saved() -> None:
    assert pieces("<think>They want 3.</think>It is three.") == ["It is three."]


def test_what_somebody_has_written_may_begin_with_the_word_thought() -> None:
    assert pieces("Thought: I am late.\nAction: run(fast)") == ["Thought: I am late.", "Action: run(fast)"]


async def test_a_text_without_words_is_told_and_not_saved(tmp_path: Path) -> None:
    async with open_server() as server, open_synthesizer(server) as synthesizer:
        for name in ("out.wav", "out.mp3"):
            with pytest.raises(UsageError, match="nothing that can be spoken"):
                await save(synthesizer, "<think>They want 3.</think>", tmp_path / name)
            assert not (tmp_path / name).exists()
        assert server.posts() == []


async def test_a_wav_contains_all_pieces(tmp_path: Path) -> None:
    async with open_server() as server, open_synthesizer(server) as synthesizer:
        usage = await save(synthesizer, LONG, tmp_path / "out.wav")
        inputs = [request.body["input"] for request in server.posts()]
        assert usage is not None
        assert (usage.requests, usage.characters) == (len(inputs), sum(map(len, inputs)))
        clip = read_wav(tmp_path / "out.wav")
        assert (clip.rate_hz, clip.pcm) == (24_000, b"".join(tone(text, 24_000) for text in inputs))


async def test_an_mp3_is_requested_and_written_unchanged(tmp_path: Path) -> None:
    async with open_server() as server, open_synthesizer(server) as synthesizer:
        await save(synthesizer, "Hello.", tmp_path / "out.mp3")
        assert [request.body["response_format"] for request in server.posts()] == ["mp3"]
        assert (tmp_path / "out.mp3").read_bytes() == b"\xff\xfb\x90\x64Hello."
        assert server.broken == []


JSON = (("Content-Type", "application/json"),)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Fault(body=b""), BadAnswer, "the answer is empty"),
        (Fault(body=b"RIFF1234WAVE"), BadAnswer, "the answer is announced as audio/mpeg but is not MP3"),
        (Fault(body=b'{"error": {"code": 400, "message": "no"}}', headers=JSON), BadRequest, "the server said: no"),
    ],
)
async def test_an_answer_that_is_not_mp3_is_not_written(
    fault: Fault, kind: type[Exception], message: str, tmp_path: Path
) -> None:
    async with open_server(Script(faults=[fault])) as server, open_synthesizer(server) as synthesizer:
        with pytest.raises(kind, match=message):
            await save(synthesizer, "Hello.", tmp_path / "out.mp3")
    assert not (tmp_path / "out.mp3").exists()


async def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    async with open_server() as server, open_synthesizer(server) as synthesizer:
        for name in ("out.wav", "out.mp3"):
            with pytest.raises(DeviceError, match="can't be written: no such file or directory"):
                await save(synthesizer, "Hello.", tmp_path / "nowhere" / name)


async def test_an_engine_without_mp3_says_so(tmp_path: Path) -> None:
    async with (
        open_server() as server,
        open_bench(endpoint(server)) as bench,
        EspeakSynthesizer.open(EspeakSynthesizer.Options(), bench.services) as synthesizer,
    ):
        with pytest.raises(UsageError, match=r"can't make MP3.*Name a \.wav file"):
            await save(cast(Synthesizer, synthesizer), "Hello.", tmp_path / "out.mp3")


def test_other_formats_are_refused() -> None:
    with pytest.raises(UsageError, match=r"only \.wav and \.mp3"):
        checked(Path("out.ogg"))


def test_a_missing_folder_is_reported_before_any_request(tmp_path: Path) -> None:
    assert checked(tmp_path / "out.wav") == tmp_path / "out.wav"
    with pytest.raises(UsageError, match=r"there is no folder .*nowhere"):
        checked(tmp_path / "nowhere" / "out.mp3")


def test_the_synthesizers_of_services_can_make_mp3() -> None:
    from voiceloop.speak.openai import OpenAISynthesizer
    from voiceloop.speak.saving import SpeaksMp3

    assert issubclass(OpenRouterSynthesizer, SpeaksMp3)
    assert issubclass(OpenAISynthesizer, SpeaksMp3)
    assert not issubclass(EspeakSynthesizer, SpeaksMp3)
    assert OpenRouterSpeakOptions(model="a/b", voice="v").rate_hz == 24_000


async def test_the_command_saves_without_a_sound_device(tmp_path: Path) -> None:
    async with open_server() as server:
        command = [sys.executable, "-m", "voiceloop", "say", "Hello.", "--config", "assistant", "--save", "out.mp3"]
        command += ["--set", f"openrouter.base_url={server.url}"]
        environment = {**os.environ, "OPENROUTER_API_KEY": "test-key", "HOME": str(tmp_path)}
        with trio.fail_after(180):
            done = await trio.run_process(
                command, cwd=tmp_path, env=environment, capture_stdout=True, capture_stderr=True, check=False
            )
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        assert (tmp_path / "out.mp3").read_bytes().endswith(b"Hello.")
