"""The folder of the fetched models: where a model is put together, how it becomes visible, and how it is removed.

    ROOT/NAME/                  a model, whole; `.voiceloop.json` in it lists the files that were fetched
    ROOT/.fetching/NAME/        one that is being fetched, or whose fetching was cut short
    ROOT/.fetching/NAME.lock    held while it is fetched or removed

A model's folder is renamed as a whole, so that no engine ever finds a part of one. Blocking; opens no socket.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voiceloop.errors import OutputError, UsageError
from voiceloop.journal.atomic_write import write_atomically
from voiceloop.journal.locks import FileLock
from voiceloop.models.catalogue import megabytes
from voiceloop.text import clean_line

RECORD = ".voiceloop.json"
FETCHING = ".fetching"
_NAME = re.compile(r"\w[\w.-]*")
"""Names of models and of their files: never a path, nor empty."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Store:
    """The models under a folder, which need not exist yet. What makes a path of a name raises UsageError if
    that is empty or a path itself."""

    root: Path

    def folder(self, name: str) -> Path:
        """Where a model is, once it is whole."""
        return self.root / _checked(name)

    def staging(self, name: str) -> Path:
        """Where a model is put together."""
        return self.root / FETCHING / _checked(name)

    def fetched(self, name: str) -> dict[str, int] | None:
        """The files that were fetched for a model, with their sizes; None if the folder is the user's own, or is not
        there, or its name is none that a model can have."""
        if not _NAME.fullmatch(name):
            return None
        folder = self.folder(name)
        return None if folder.is_symlink() else _recorded(folder / RECORD)

    def is_whole(self, name: str) -> bool:
        """Whether a model was fetched and all its files are still there."""
        files = self.fetched(name)
        return files is not None and all(_size(self.folder(name) / file) == size for file, size in files.items())

    def begun(self, name: str) -> dict[str, int]:
        """What is left of an attempt to fetch a model: names and sizes. Raises OutputError."""
        staging = self.staging(name)
        with disk_errors(staging):
            try:
                sizes = {entry.name: _size(entry) for entry in staging.iterdir()}
            except FileNotFoundError:
                return {}
        return {file: size for file, size in sizes.items() if size is not None}

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock of a model. Raises UsageError if another process holds it, OutputError if it can't be made."""
        place = self.root / FETCHING
        with disk_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            lock = FileLock.take(place / f"{_checked(name)}.lock")
        if lock is None:
            raise UsageError(
                f"another voiceloop is at work on '{name}'", place=str(place), remedy="Wait until it has finished"
            )
        try:
            yield
        finally:
            lock.release()

    def publish(self, name: str, files: Sequence[str], source: str) -> Path:
        """Make the model in `staging` visible, in place of one that was fetched before. Raises OutputError."""
        staging, folder, old = self.staging(name), self.folder(name), self.root / FETCHING / f"{name}.old"
        with disk_errors(self.root):
            for entry in staging.iterdir():
                if entry.name not in files:  # left by an attempt at another source
                    _remove(entry)
            sizes = {file: (staging / file).stat().st_size for file in files}
            record = {"name": name, "from": source, "files": sizes}
            write_atomically(staging / RECORD, json.dumps(record, indent=2).encode(), synced=True)
            synced(staging)
            _remove(old)
            if folder.exists():
                folder.rename(old)
            staging.rename(folder)
            synced(self.root)
            _remove(old)
        return folder

    def remove(self, name: str) -> list[str]:
        """Remove what was fetched of a model, and what is left of an attempt. Gives the names of other files in its
        folder, which stay. Raises OutputError."""
        files, folder = self.fetched(name) or {}, self.folder(name)
        with disk_errors(folder):
            for file in (*files, RECORD) if files else ():  # the record last, so that this can be repeated
                (folder / file).unlink(missing_ok=True)
            _remove(self.staging(name))
            left = sorted(entry.name for entry in folder.iterdir()) if files else []
            if files and not left:
                folder.rmdir()
        return left

    def demand_room(self, size: int) -> None:
        """Raises OutputError if the disk has less than `size` bytes free."""
        place = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        free = shutil.disk_usage(place).free
        if free < size:
            raise OutputError(
                f"the disk has {megabytes(free)} free, and {megabytes(size)} are needed",
                place=str(self.root),
                remedy="Free some space and try again",
            )


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn an OSError into an OutputError that names `place`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            remedy = "Free some space and repeat the command"
            raise OutputError("the disk is full", place=str(place), remedy=remedy) from error
        what = f"it can't be written: {(error.strerror or str(error)).lower()}"
        raise OutputError(what, place=str(error.filename or place), remedy="Fix its permissions") from error


def synced(path: Path) -> None:
    """Have a file or folder survive a power failure. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked(name: str) -> str:
    """The name of a model. Raises UsageError if it could lead elsewhere."""
    if not _NAME.fullmatch(name):
        remedy = "'voiceloop models list --local' lists those that are there"
        raise UsageError(f"'{clean_line(name)}' is not a model's name", place="models", remedy=remedy)
    return name


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _recorded(path: Path) -> dict[str, int] | None:
    """The files that a record lists; None if it is missing, or is not one of ours."""
    try:
        value = json.loads(path.read_bytes())
        files = value["files"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    if not isinstance(files, Mapping) or not files:
        return None
    kept = {name: size for name, size in files.items() if _NAME.fullmatch(name) and type(size) is int}
    return kept if len(kept) == len(files) else None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
