"""The wheel that scripts/build_model_wheel makes of the model's files: it stands in for the maker's package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from testbed.voices import prompt, words
from voiceloop.transcribe.embedded.moonshine import model_files
from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
from voiceloop.transcribe.embedded.recogniser import Call

pytest.importorskip("onnxruntime", reason="the extra 'local' is not installed")

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_model_wheel"
LICENCE = "moonshine_voice-0.1.0.dist-info/licenses/LICENSE"


@pytest.fixture(scope="module")
def makers_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the installed package moonshine-voice that the script reads, as a wheel."""
    path = tmp_path_factory.mktemp("maker") / "moonshine_voice-0.1.0-py3-none-any.whl"
    installed = distribution("moonshine-voice")
    with zipfile.ZipFile(path, "w") as wheel:
        for name in (LICENCE, *(f"moonshine_voice/assets/tiny-en/{name}" for name in model_files.FILES)):
            wheel.write(str(installed.locate_file(name)), name)
    return path


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], check=False, capture_output=True, text=True, timeout=180
    )


def test_the_built_wheel_is_enough_when_the_makers_package_is_gone(
    makers_wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Path(run_script(str(makers_wheel), "--to", str(tmp_path)).stdout.strip())
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(tmp_path / "site")]
    subprocess.run([*pip, str(built)], check=True, timeout=180)  # pip checks the wheel's RECORD
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(model_files, "PACKAGES", model_files.PACKAGES[:1])
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    files = model_files.find("tiny-en")
    assert files.folder == tmp_path / "site" / "voiceloop_moonshine" / "tiny-en"
    samples = _floats(prompt("hello-world").pcm)
    assert words(MoonshineRecogniser(files).recognise(samples, Call()).text) == ["hello", "world"]


def test_the_same_wheel_is_built_each_time(makers_wheel: Path, tmp_path: Path) -> None:
    first, second = (Path(run_script(str(makers_wheel), "--to", str(tmp_path / name)).stdout.strip()) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_other_files_than_those_of_the_release_are_refused(makers_wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(makers_wheel) as source, zipfile.ZipFile(other, "w") as wheel:
        for name in source.namelist():
            wheel.writestr(name, source.read(name) + (b"!" if name.endswith("encoder_model.ort") else b""))
    result = run_script(str(other), "--to", str(tmp_path))
    assert result.returncode != 0
    assert "SHA-256" in result.stderr


@pytest.mark.parametrize("data", [b"", b"no wheel", None])
def test_what_is_no_wheel_of_the_maker_is_refused_in_one_line(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "x.whl"
    if data is not None:
        path.write_bytes(data)
    result = run_script(str(path), "--to", str(tmp_path))
    assert result.returncode != 0
    assert len(result.stderr.splitlines()) == 1, result.stderr


def _floats(pcm: bytes) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
    return samples
