"""The transcriber `moonshine`: its model's files, its networks on recorded human voices, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.voices import TWO_CITIES, prompt, two_cities, words
from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.transcribe.embedded import places
from voiceloop.transcribe.embedded.moonshine import model_files, tokens
from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions, MoonshineTranscriber
from voiceloop.transcribe.embedded.recogniser import Call

pytest.importorskip("onnxruntime", reason="the extra 'local' is not installed")


@asynccontextmanager
async def moonshine(**options: Any) -> AsyncIterator[MoonshineTranscriber]:
    with trio.fail_after(180):
        async with MoonshineTranscriber.open(MoonshineOptions(**options), cast(Any, None)) as transcriber:
            yield transcriber


@pytest.fixture(scope="module")
def recogniser() -> MoonshineRecogniser:
    return MoonshineRecogniser(model_files.find("tiny-en"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the model's files as links, to be spoilt."""
    folder = tmp_path / "my-model-en"
    folder.mkdir()
    for name in model_files.FILES:
        (folder / name).symlink_to(model_files.find("tiny-en").folder / name)
    return folder


async def why_not(**options: Any) -> str:
    """What opening the transcriber raises, as one line."""
    with pytest.raises((ConfigError, EngineError)) as caught:
        async with moonshine(**options):
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
        ("digits/7", "seven"),
        ("vm-goodbye", "goodbye"),
    ],
)
async def test_a_telephone_prompt_is_understood(name: str, said: str) -> None:
    async with moonshine() as transcriber:
        transcript = await transcriber.transcribe(prompt(name))
    assert words(transcript.text) == words(said)
    assert transcript.confidence is not None
    assert transcript.confidence > 0.6
    assert transcript.language == "en"


async def test_a_long_reading_is_understood_across_its_pieces() -> None:
    async with moonshine() as transcriber:
        transcript = await transcriber.transcribe(two_cities(0, 21.5))
    true, heard = TWO_CITIES.split(), words(transcript.text)
    wrong = sum(a != b for a, b in zip(true, heard, strict=False)) + abs(len(true) - len(heard))
    assert wrong <= 4, heard  # "a season" for "the season", twice, and a word cut at the end


def test_silence_gives_little_confidence(recogniser: MoonshineRecogniser) -> None:
    found = recogniser.recognise(np.zeros(32_000, np.float32), Call())
    assert found.confidence is not None
    assert found.confidence < 0.4


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_count_as_silence(recogniser: MoonshineRecogniser, wrong: float) -> None:
    silence = recogniser.recognise(np.zeros(16_000, np.float32), Call())
    assert recogniser.recognise(np.full(16_000, wrong, np.float32), Call()) == silence


def test_a_loop_of_the_decoder_ends_by_itself(recogniser: MoonshineRecogniser) -> None:
    noise = np.random.default_rng(0).normal(0, 0.03, 12 * 16_000).astype(np.float32)
    assert len(recogniser.recognise(noise, Call()).text.split()) <= 6.5 * 12


async def test_a_model_is_found_in_the_users_data_folder(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model.parent / "voiceloop" / "models").mkdir(parents=True)
    (model.parent / "voiceloop" / "models" / "mine-en").symlink_to(model)
    monkeypatch.setenv("XDG_DATA_HOME", str(model.parent))
    assert {"mine-en", "tiny-en"} <= set(model_files.names())
    async with moonshine(model="mine-en") as transcriber:
        assert "mine-en" in transcriber.description


async def test_a_model_of_another_language_than_the_configured_one_is_refused() -> None:
    text = await why_not(language="de")
    assert "knows 'en' only, not 'de'" in text
    assert "whisper" in text
    async with moonshine(language="en-GB") as transcriber:
        assert (await transcriber.transcribe(prompt("hello-world"))).language == "en"


async def test_an_unknown_name_lists_the_models_that_are_there() -> None:
    assert "There are: 'tiny-en'. Or give the path" in await why_not(model="huge-en")
    assert "To fetch it: voiceloop models get base-en" in await why_not(model="base-en")


async def test_a_folder_that_is_missing_or_incomplete_is_refused(model: Path) -> None:
    assert f"no folder '{model / 'no'}'" in await why_not(model=str(model / "no"))
    (model / "tokenizer.bin").unlink()
    assert "it has no tokenizer.bin" in await why_not(model=str(model))
    (model / "streaming_config.json").write_text("{}")
    assert "streaming model" in await why_not(model=str(model))


@pytest.mark.parametrize("name", model_files.FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
async def test_a_file_that_is_cut_short_is_refused(model: Path, name: str, share: float) -> None:
    data = (model / name).read_bytes()
    (model / name).unlink()
    (model / name).write_bytes(data[: int(len(data) * share)])
    assert str(model) in await why_not(model=str(model))


@pytest.mark.parametrize("name", [model_files.ENCODER, model_files.DECODER])
async def test_a_network_of_another_kind_is_refused(model: Path, name: str) -> None:
    other = model_files.DECODER if name == model_files.ENCODER else model_files.ENCODER
    (model / name).unlink()
    (model / name).symlink_to(model / other)
    assert "don't make a Moonshine model" in await why_not(model=str(model))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
async def test_an_unreadable_file_is_refused(model: Path) -> None:
    (model / model_files.ENCODER).unlink()
    (model / model_files.ENCODER).touch(mode=0)
    assert "permission denied" in await why_not(model=str(model))


async def test_a_folder_that_may_not_be_entered_is_refused_and_hides_no_other_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_file, access = Path.is_file, os.access

    def forbidden(path: Path) -> bool:  # as Python 3.11 does, where somebody who isn't root asks
        if path.parent == model:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", forbidden)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != model and access(path, mode))
    assert "permission denied" in await why_not(model=str(model))
    monkeypatch.setattr(places, "user_models", lambda: model.parent)
    assert model_files.names() == ["tiny-en"]


def test_no_installed_model_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model_files, "PACKAGES", (("no_such_package", "assets"),))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(MissingExtra, match=r"voiceloop\[local\]"):
        model_files.find("tiny-en")


OFFLINE = """
import socket, sys, trio
def forbidden(*a, **k): raise AssertionError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = forbidden
from testbed.voices import prompt
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions, MoonshineTranscriber
async def main():
    async with MoonshineTranscriber.open(MoonshineOptions(), None) as transcriber:
        print((await transcriber.transcribe(prompt("hello-world"))).text)
trio.run(main)
assert "moonshine_voice" not in sys.modules, "the maker's package was imported"
"""


def test_nothing_touches_the_network_and_nothing_is_printed_besides() -> None:
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE], check=False, capture_output=True, text=True, timeout=180, cwd=Path.cwd()
    )
    assert (words(result.stdout), result.stderr) == (["hello", "world"], "")


@given(st.lists(st.binary(max_size=300), min_size=3))
def test_a_list_of_tokens_is_read_back(listed: list[bytes]) -> None:
    data = b"".join(
        (bytes([len(token)]) if len(token) < 128 else bytes([len(token) % 128 + 128, len(token) // 128])) + token
        for token in listed
    )
    assert tokens.parse(data) == listed


@given(st.binary(max_size=400))
def test_any_bytes_are_a_list_of_tokens_or_broken(data: bytes) -> None:
    with suppress(tokens.BrokenTokens):
        assert len(tokens.parse(data)) > tokens.END


def test_an_incomplete_character_is_left_out() -> None:
    assert tokens.text_of([b"", b"", b"", "▁é".encode(), b"\xc3"], [3, 3, 4]) == "é é"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\"'This is a small test. Can you hear what I say?'", "This is a small test. Can you hear what I say?"),
        ('"Hello."', "Hello."),
        ("“Hello.”", "Hello."),
        ('"Hello. How', "Hello. How"),
        ('Hello."', "Hello."),
        ("'Hello.'", "Hello."),
        ('"Hello," he said.', '"Hello," he said.'),
        ('He said: "No."', 'He said: "No."'),
        ('"No." "Yes."', '"No." "Yes."'),
        ("'em all", "'em all"),
        ("the dogs'", "the dogs'"),
        ("It's 5 o'clock.", "It's 5 o'clock."),
        ('"', ""),
        ("", ""),
    ],
)
def test_quotation_marks_around_a_text_are_dropped(text: str, expected: str) -> None:
    assert tokens.unquoted(text) == expected


def test_standard_error_stays_open_while_several_clips_are_recognised(recogniser: MoonshineRecogniser) -> None:
    before = os.fstat(2)
    samples = np.zeros(8_000, np.float32)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: recogniser.recognise(samples, Call()), range(60)))
    after = os.fstat(2)
    assert (before.st_dev, before.st_ino) == (after.st_dev, after.st_ino)


@pytest.mark.parametrize("model", ["", "~no_such_person/model"])
async def test_a_path_that_leads_nowhere_is_refused_in_one_line(model: str) -> None:
    assert "transcribe.model" in await why_not(model=model)


def test_a_folder_in_the_working_directory_does_not_hide_an_installed_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny-en").mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_files.find("tiny-en").folder.parent != tmp_path
