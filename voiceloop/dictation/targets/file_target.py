"""Two targets: standard output, with one insertion a line, and a file that text is appended to."""

from __future__ import annotations

import os
import signal
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import BinaryIO, TypeVar

import trio

from voiceloop.dictation.targets.target import PLACE, Focus, Insertion, Since, Target, opened
from voiceloop.errors import CantUndo, TargetError
from voiceloop.system.paths import expanded
from voiceloop.system.private_files import open_private
from voiceloop.text import clean

_A = TypeVar("_A")
_R = TypeVar("_R")


def plain(text: str) -> str:
    """`text` made safe for any target: only visible characters, spaces and newlines, composed (NFC)."""
    return unicodedata.normalize("NFC", clean(text).replace("\t", " "))


class StdoutTarget:
    """Writes each insertion as a line of standard output."""

    name = "stdout"
    watches_focus = False

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return None

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        text = plain(text).strip(" ")
        await _in_thread(_print, text.removesuffix("\n") + "\n")
        return Insertion(text, focus)

    async def since(self, insertion: Insertion) -> Since:
        await trio.lowlevel.checkpoint()
        return "nothing"

    async def undo(self, insertion: Insertion) -> None:
        await trio.lowlevel.checkpoint()
        raise CantUndo("standard output can't take back what was written", place=PLACE)

    async def enter(self, *, focus: Focus | None) -> None:
        await _in_thread(_print, "\n")

    async def set_aside(self, text: str) -> str:
        await self.insert(text, focus=None)
        return self.name


class FileTarget:
    """Appends text to a file, which other programs may change or move in the meantime. `Insertion.mark` is the file's
    length before the insertion, in bytes."""

    watches_focus = False

    def __init__(self, path: str) -> None:
        self._path = expanded(path)
        self.name = f"file:{path}"

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return None

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        text = plain(text)
        return Insertion(text, focus, await self._run(self._append, text.encode()))

    async def since(self, insertion: Insertion) -> Since:
        return "nothing" if await self._run(self._ends_with, insertion) else "something"

    async def undo(self, insertion: Insertion) -> None:
        if not await self._run(self._cut, insertion):
            raise CantUndo("the file has been changed since", place=self.name)

    async def enter(self, *, focus: Focus | None) -> None:
        await self._run(self._append, b"\n")

    async def set_aside(self, text: str) -> str:
        await self.insert(text, focus=None)
        return self.name

    async def check(self) -> None:
        """Raise `TargetError` when the file can't be written."""
        await self._run(self._append, b"")

    async def _run(self, function: Callable[[_A], _R], argument: _A) -> _R:
        try:
            return await _in_thread(function, argument)
        except OSError as error:
            why = f"can't be written: {error.strerror}"
            raise TargetError(why, place=self.name, remedy="Check the path and its permissions") from error

    def _append(self, data: bytes) -> int:
        descriptor = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            before = os.lseek(descriptor, 0, os.SEEK_END)
            _write(descriptor, data)
            return before
        finally:
            os.close(descriptor)

    def _ends_with(self, insertion: Insertion) -> bool:
        with self._path.open("rb") as file:
            return _ends_with(file, insertion)

    def _cut(self, insertion: Insertion) -> bool:
        with self._path.open("r+b") as file:
            same = _ends_with(file, insertion)
            if same:
                file.truncate(insertion.mark)
            return same


def _ends_with(file: BinaryIO, insertion: Insertion) -> bool:
    file.seek(insertion.mark)
    data = insertion.text.encode()
    return file.read(len(data) + 1) == data


def open_stdout() -> AbstractAsyncContextManager[Target]:
    """Open standard output as a target."""
    return opened(StdoutTarget())


@asynccontextmanager
async def open_file(path: str) -> AsyncIterator[Target]:
    """Open a file as a target; it is created if missing. Raises `TargetError` when it can't be written."""
    target = FileTarget(path)
    await target.check()
    yield target


def _print(text: str) -> None:
    # Not through Python's buffer: the buffer could write later a text that was already reported as not written.
    try:
        _write(sys.stdout.fileno(), text.encode(sys.stdout.encoding, sys.stdout.errors or "replace"))
    except BrokenPipeError as error:
        os.kill(os.getpid(), signal.SIGTERM)  # nobody reads the output: going on would only cost money
        raise TargetError("can't be written: the program that reads it has ended", place="stdout") from error
    except OSError as error:
        raise TargetError(
            f"can't be written: {error.strerror}", place="stdout", remedy="Free some space where it is written to"
        ) from error


def _write(descriptor: int, data: bytes) -> None:
    """Write all of `data` or nothing: when a full disk cuts it short, the written part is cut off the file again."""
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError:
        with suppress(OSError):  # a pipe can't be cut: the part stays written
            os.ftruncate(descriptor, os.lseek(descriptor, -written, os.SEEK_CUR))
        raise


async def _in_thread(function: Callable[[_A], _R], argument: _A) -> _R:
    # Never abandoned on cancellation: the thread would still write, after the write counted as cancelled.
    return await trio.to_thread.run_sync(function, argument)
