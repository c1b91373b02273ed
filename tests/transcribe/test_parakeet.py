"""The transcriber `parakeet`: onnx-asr on small networks made by hand, whose text follows the sound, and bad models."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx_asr", reason="the extra 'parakeet' is not installed")
pytest.importorskip("onnx", reason="the networks are made with the package 'onnx'")

from testbed.parakeet_model import tones, write
from testbed.voices import utterance
from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.transcribe.embedded import parakeet_files
from voiceloop.transcribe.embedded.parakeet import ParakeetOptions, ParakeetTranscriber
from voiceloop.transcribe.embedded.parakeet_recogniser import TOKEN_S, ParakeetRecogniser, words_of
from voiceloop.transcribe.embedded.recogniser import Call, GivenUp
from voiceloop.types import Utterance


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "made-by-hand")


@pytest.fixture
def recogniser(model: Path) -> ParakeetRecogniser:
    return ParakeetRecogniser(parakeet_files.find(str(model)), 1)


@asynccontextmanager
async def parakeet(**options: Any) -> AsyncIterator[ParakeetTranscriber]:
    with trio.fail_after(180):
        async with ParakeetTranscriber.open(ParakeetOptions(**options), cast(Any, None)) as transcriber:
            yield transcriber


async def why_not(**options: Any) -> str:
    """What opening the transcriber raises, as one line."""
    with pytest.raises((ConfigError, EngineError)) as caught:
        async with parakeet(**options):
            pass
    error = caught.value
    text = error.problems[0] if isinstance(error, ConfigError) else str(error)
    assert "\n" not in text
    return text


def clip(*names: str) -> Utterance:
    return utterance((tones(*names) * 32_767).astype("<i2").tobytes())


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("hum", "ming", "hiss"), "humming hiss"),
        (("hiss", "hum", "ming"), "hiss humming"),
        (("hum",), "hum"),
        ((), ""),
    ],
)
async def test_the_text_follows_the_sound(model: Path, names: tuple[str, ...], text: str) -> None:
    async with parakeet(model=str(model)) as transcriber, transcriber.transcription() as transcription:
        transcript = await transcription.finish(clip(*names))
    assert transcript.text == text
    assert [word.text for word in transcript.words] == text.split()
    assert (transcript.confidence is not None) == bool(text)


async def test_words_have_the_times_of_their_tones(model: Path) -> None:
    """The clip is 0.6 s each of silence, "hum", "ming", "hiss" and silence."""
    async with parakeet(model=str(model)) as transcriber:
        humming, hiss = (await transcriber.transcribe(clip("hum", "ming", "hiss"))).words
    assert humming.start_s == pytest.approx(0.6, abs=0.1)
    assert humming.end_s == pytest.approx(1.2 + TOKEN_S, abs=0.1)
    assert hiss.start_s == pytest.approx(1.8, abs=0.1)
    assert 0 < (humming.confidence or 0) < 1


async def test_it_says_that_it_is_experimental(model: Path) -> None:
    async with parakeet(model=str(model)) as transcriber:
        assert transcriber.description == "Parakeet made-by-hand, on this machine (experimental)"


async def test_clips_at_the_same_time_all_have_their_own_text(model: Path) -> None:
    said = {"hum": ("hum",), "humming": ("hum", "ming"), "hiss humming": ("hiss", "hum", "ming")}
    heard: dict[str, str] = {}

    async def hear(text: str) -> None:
        heard[text] = (await transcriber.transcribe(clip(*said[text]))).text

    async with parakeet(model=str(model)) as transcriber, trio.open_nursery() as nursery:
        for text in said:
            nursery.start_soon(hear, text)
    assert heard == {text: text for text in said}


def test_a_call_that_is_given_up_has_no_text(recogniser: ParakeetRecogniser) -> None:
    call = Call()
    call.give_up()
    with pytest.raises(GivenUp):
        recogniser.recognise(tones("hum"), call)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_count_as_silence(recogniser: ParakeetRecogniser, wrong: float) -> None:
    assert recogniser.recognise(np.full(16_000, wrong, np.float32), Call()).text == ""
    spoilt = tones("hum", "ming")
    spoilt[:100] = wrong
    assert recogniser.recognise(spoilt, Call()).text == "humming"


@pytest.mark.parametrize("length", [0, 1, 100, 800, 960, 3_200])
def test_a_very_short_clip_gives_no_text(recogniser: ParakeetRecogniser, length: int) -> None:
    assert recogniser.recognise(np.zeros(length, np.float32), Call()).text == ""


async def test_models_are_found_by_name_in_the_users_data_folder_and_in_the_hubs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "There is none" in await why_not()
    write(tmp_path / "data" / "voiceloop" / "models" / "mine")
    snapshot = write(tmp_path / "hub" / "models--istupakov--parakeet-tdt-0.6b-v3-onnx" / "snapshots" / "1")
    assert parakeet_files.names() == ["istupakov/parakeet-tdt-0.6b-v3-onnx", "mine", "parakeet-tdt-0.6b-v3"]
    assert parakeet_files.find("parakeet-tdt-0.6b-v3").folder == snapshot
    async with parakeet() as transcriber:
        assert "parakeet-tdt-0.6b-v3" in transcriber.description
    text = await why_not(model="parakeet-tdt-0.6b-v2")
    assert "There are: 'istupakov/parakeet-tdt-0.6b-v3-onnx', 'mine', 'parakeet-tdt-0.6b-v3'" in text
    assert "hf download istupakov/parakeet-tdt-0.6b-v2-onnx" in text


async def test_quantized_networks_are_preferred_and_others_can_be_chosen(model: Path) -> None:
    assert parakeet_files.find(str(model)).quantization == ""
    write(model, quantization="int8")
    assert parakeet_files.find(str(model)).quantization == "int8"
    assert parakeet_files.find(str(model), "").quantization == ""
    (model / "encoder-model.onnx").unlink()
    assert "it has no encoder-model.onnx" in await why_not(model=str(model), quantization="")
    assert "it has no encoder-model.fp16.onnx" in await why_not(model=str(model), quantization="fp16")
    async with parakeet(model=str(model)) as transcriber:
        assert (await transcriber.transcribe(clip("hum"))).text == "hum"


async def test_a_language_that_the_model_lacks_is_refused_and_an_engine_that_has_it_named(tmp_path: Path) -> None:
    model = write(tmp_path / "parakeet-tdt-0.6b-v3")
    text = await why_not(model=str(model), language="ja")
    assert "'ja' is not what the model 'parakeet-tdt-0.6b-v3' knows: bg, cs, da" in text
    assert "transcribe.use = 'whisper'" in text
    async with parakeet(model=str(model), language="de-AT") as transcriber:
        assert (await transcriber.transcribe(clip("hum"))).language == "de"


async def test_a_folder_that_is_missing_or_incomplete_is_refused(model: Path) -> None:
    assert f"no folder '{model / 'no'}'" in await why_not(model=str(model / "no"))
    (model / "vocab.txt").unlink()
    (model / "decoder_joint-model.onnx").unlink()
    assert "it has no decoder_joint-model.onnx, no vocab.txt" in await why_not(model=str(model))


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"'])
async def test_settings_that_are_no_settings_are_refused(model: Path, content: str) -> None:
    (model / "config.json").write_text(content)
    assert "config.json is not JSON with the model's settings" in await why_not(model=str(model))


async def test_a_model_of_another_kind_is_refused(model: Path) -> None:
    write(model, model_type="nemo-conformer-aed")
    assert "the kind 'nemo-conformer-aed'" in await why_not(model=str(model))


@pytest.mark.parametrize("name", ["encoder-model.onnx", "decoder_joint-model.onnx", "vocab.txt"])
@pytest.mark.parametrize("share", [0.0, 0.5])
async def test_a_file_that_is_cut_short_is_refused(model: Path, name: str, share: float) -> None:
    data = (model / name).read_bytes()
    (model / name).write_bytes(data[: int(len(data) * share)])
    assert f"{model} can't be loaded" in await why_not(model=str(model))


async def test_networks_that_are_exchanged_are_refused(model: Path) -> None:
    (model / "encoder-model.onnx").write_bytes((model / "decoder_joint-model.onnx").read_bytes())
    assert f"{model} can't be loaded" in await why_not(model=str(model))


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
async def test_an_unreadable_file_is_refused(model: Path) -> None:
    (model / "encoder-model.onnx").chmod(0)
    assert "permission denied" in await why_not(model=str(model))


async def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="onnx_asr"):
        async with parakeet():
            pass


@given(st.lists(st.tuples(st.sampled_from([" a", "b", "'", " "]), st.integers(0, 4)), max_size=30))
def test_words_have_all_letters_and_lie_one_after_another_within_the_clip(rows: list[tuple[str, int]]) -> None:
    tokens = [token for token, _ in rows]
    starts = np.cumsum([0, *(step for _, step in rows)])[:-1] * 0.08
    words = words_of(tokens, [float(at) for at in starts], [-0.5] * len(tokens), end_s=5.0)
    assert " ".join(word.text for word in words).split() == "".join(tokens).split()
    assert all(0 <= word.start_s <= word.end_s <= 5.0 for word in words)
    assert all(one.end_s <= two.start_s for one, two in pairwise(words))


OFFLINE = """
import os, socket, sys, trio
os.environ.pop("HF_HUB_OFFLINE", None)
def forbidden(*a, **k): raise AssertionError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = forbidden
from voiceloop.transcribe.embedded.parakeet import ParakeetOptions, ParakeetTranscriber
assert not {"onnx_asr", "onnxruntime"} & set(sys.modules), "imported before it is opened"
from testbed.parakeet_model import tones
from testbed.voices import utterance
async def main():
    async with ParakeetTranscriber.open(ParakeetOptions(model=sys.argv[1]), None) as transcriber:
        pcm = (tones("hum", "ming", "hiss") * 32767).astype("<i2").tobytes()
        print((await transcriber.transcribe(utterance(pcm))).text)
trio.run(main)
assert "huggingface_hub" not in sys.modules, "the downloader was imported"
"""


def test_nothing_touches_the_network_and_nothing_is_printed_besides(model: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(model)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path.cwd(),
    )
    assert (result.stdout, result.stderr) == ("humming hiss\n", "")
