"""Whether turns are judged by their sound, and what is said where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceloop.capture.endpointing import hearing
from voiceloop.capture.endpointing.hearing import Hearing, open_hearing, why_not
from voiceloop.config.tables import Segment
from voiceloop.errors import EngineError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "model.onnx"
    made.write_bytes(b"not a network")
    return made


def refuse(_: Path) -> str:
    raise AssertionError("it must not be read")


@pytest.mark.parametrize(
    ("segment", "language", "said"),
    [
        (Segment(acoustic=False), None, "the sound is not judged"),
        (Segment(adaptive=False), None, "the sound is not judged"),
        (Segment(), "cs", "the sound is not judged in 'cs'"),
    ],
)
def test_where_it_is_off_nothing_is_read(path: Path, segment: Segment, language: str | None, said: str) -> None:
    assert open_hearing(segment, language, path, refuse) == Hearing(why_not=said)


def test_without_the_model_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    found = open_hearing(Segment(), "en", tmp_path / "none.onnx", refuse)
    assert found.network is None
    assert "voiceloop models get smart-turn-v3.2" in found.why_not
    assert not found.failure


def test_without_onnx_runtime_it_is_said_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "find_spec", lambda name: None)
    assert "pip install 'voiceloop[local]'" in why_not(Segment(), None, path)


@pytest.mark.parametrize("language", [None, "de", "en-US", "German"])
def test_its_languages_and_an_unknown_one_are_heard(path: Path, language: str | None) -> None:
    assert not why_not(Segment(), language, path)


def test_a_damaged_file_is_told_with_the_remedy_and_the_program_goes_on(path: Path) -> None:
    found = open_hearing(Segment(), None, path, lambda _: "its SHA-256 is another")
    assert found.network is None
    assert found.why_not == "the sound is not judged"
    assert f"{path} is damaged: its SHA-256 is another" in found.failure
    assert "voiceloop models get smart-turn-v3.2" in found.failure


@pytest.mark.parametrize("error", [OSError(13, "Permission denied"), EngineError("no"), ImportError("libfoo.so")])
def test_no_failure_gets_out(path: Path, error: Exception) -> None:
    def fail(_: Path) -> str:
        raise error

    found = open_hearing(Segment(), None, path, fail)
    assert found.network is None
    assert "Turns are not judged by their sound" in found.failure
