"""The files of a Piper voice: every way in which they can be wrong is one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from voiceloop.errors import ConfigError
from voiceloop.speak.piper_files import LEAST_BYTES, voice_files

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
