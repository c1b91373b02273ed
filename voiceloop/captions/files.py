"""Subtitle files: each cue is written as soon as it is final, and again when its second line is there.

    cue -> queue of the file (bounded) -> thread of the file -> disk

The loop waits for no disk. While one stands still, cues wait in the queue; when that is full, further ones are left
out, and a line says so.
"""

from __future__ import annotations

import fcntl
import math
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from typing import TypeVar

import trio

from voiceloop.captions.cue_file import CueFile, Entry
from voiceloop.captions.cue_lane import SILENT, CueLane, unwritable
from voiceloop.captions.cues import CueCutter, with_second_lines
from voiceloop.captions.naming import numbered
from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError
from voiceloop.system.private_files import open_private

OPEN_S = 5.0
"""How long the start waits for the disk."""
END_S = 0.4
"""How long a disk that stands still may delay the end of the program."""
_AT_ONCE_S = 0.01
"""How long the loop waits for a cue to be written. A disk that works takes less, so what is shown is in the files."""
_T = TypeVar("_T")


class _Taken(Exception):
    """The file holds something, or another session writes it."""


def _open(path: Path) -> int:
    """Open a file that only its owner can read, and return its handle. Raises _Taken and OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise unwritable(path, error) from error
    if _is_stream(path):
        return handle
    with suppress(OSError):  # a file system without locks
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise _Taken from None
    if os.fstat(handle).st_size:
        os.close(handle)
        raise _Taken
    return handle


def _is_stream(path: Path) -> bool:
    """Whether it is something like /dev/stdout or /dev/fd/3: another program's file, which is written on to."""
    return path.parts[:2] in {("/", "dev"), ("/", "proc")}


def _only_grows(path: Path, handle: int) -> bool:
    """Whether what is written can't be changed any more: in another program's file, or a named pipe."""
    return _is_stream(path) or not stat.S_ISREG(os.fstat(handle).st_mode)


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 and not _is_stream(path)
    except OSError:
        return False


def _open_all(paths: Mapping[str, Path]) -> list[tuple[CueFile, int]]:
    """Open the file of each format; if one of them is taken, all with the next number. Nothing is ever overwritten."""
    for names in numbered(paths):
        if any(map(_holds_something, names.values())):
            continue
        with ExitStack() as opening, suppress(_Taken):
            found = []
            for kind, path in names.items():
                handle = _open(path)
                opening.callback(os.close, handle)
                found.append((CueFile(path, kind, handle, grows=_only_grows(path, handle)), handle))
            opening.pop_all()
            return found
    raise AssertionError("numbers end")


class CueFiles:
    """`Showing` that writes subtitle files.

    With several sources, a cue waits until no other source can still produce an older one, so that the times in a file
    only grow. When a file can't be written any more (a full disk, say), the user is told, and the other files and the
    screen continue without it.
    """

    def __init__(self, files: list[CueLane]) -> None:
        self._files = files
        self.paths = tuple(file.path for file in files)
        self._cutters: dict[str, CueCutter] = {}
        self._since: dict[str, float] = {}
        self._waiting: list[tuple[float, int, Entry]] = []
        self._open: dict[int, list[tuple[int, Entry]]] = {}
        """The cues that a second line may still come for, with their keys, by the numbers of their lines."""
        self._count = 0

    @property
    def error(self) -> OutputError | None:
        """The error of the first file that failed."""
        return next((file.error for file in self._files if file.error is not None), None)

    def live(self, live: Live) -> None:
        if live.since_s is None:
            self._since.pop(live.source, None)
        else:
            self._since[live.source] = live.since_s
        self._write()

    def final(self, final: Final, live: Live) -> None:
        next_s = math.inf if live.since_s is None else live.since_s
        cutter = self._cutters.setdefault(final.source, CueCutter(final.source))
        for cue in cutter.cut(final.words, next_s=next_s, speaker=final.speaker):
            self._count += 1
            entry = Entry(cue, is_open=final.number > 0)
            if final.number:
                self._open.setdefault(final.number, []).append((self._count, entry))
            heappush(self._waiting, (cue.start_s, self._count, entry))
        self.live(live)

    def translated(self, number: int, text: str) -> None:
        """Write the cues of a line again, with their shares of its translation."""
        entries = self._open.pop(number, [])
        cues = [entry.cue for _, entry in entries]
        settled = [
            (key, cue) for (key, _), cue in zip(entries, with_second_lines(cues, text) if text else cues, strict=True)
        ]
        for (_, entry), (_, cue) in zip(entries, settled, strict=True):
            entry.cue, entry.is_open = cue, False
        for file in self._files:
            file.settle(settled)
        self._wait()

    async def end(self) -> None:
        """Write the cues that still wait, for no more words will come, and close the files."""
        self._since.clear()
        self._write()
        for number in tuple(self._open):
            self.translated(number, "")
        for file in self._files:
            file.lane.end()
        until_s = time.monotonic() + END_S
        for file in self._files:
            left_s = max(0.0, until_s - time.monotonic())
            if not await trio.to_thread.run_sync(file.lane.ended, left_s):
                file.give_up()

    def _write(self) -> None:
        """Write each waiting cue before which no older one can come."""
        while self._waiting:
            start_s, key, entry = self._waiting[0]
            if any(since_s < start_s for source, since_s in self._since.items() if source != entry.cue.source):
                break
            heappop(self._waiting)
            for file in self._files:
                file.add(key, entry.cue, is_open=entry.is_open)
        self._wait()

    def _wait(self) -> None:
        until_s = time.monotonic() + _AT_ONCE_S
        for file in self._files:
            file.wait(until_s - time.monotonic())


@asynccontextmanager
async def open_files(paths: Mapping[str, Path], tell: Callable[[str], None]) -> AsyncIterator[CueFiles]:
    """Open a file for each format in `paths`; under a name with a number where one holds something already. `tell` is
    called with what the user is to know of them. Raises OutputError, on leaving too, for a file that failed meanwhile
    (after an interrupt as well; any other error takes precedence)."""
    found = await in_time(partial(_open_all, paths), next(iter(paths.values())))
    files = CueFiles([CueLane(file, handle, tell) for file, handle in found])
    otherwise_failed = False
    try:
        yield files
    except Exception:
        otherwise_failed = True
        raise
    finally:
        with trio.CancelScope(shield=True):  # it takes END_S at most
            await files.end()
        if not otherwise_failed and files.error is not None:
            raise files.error


@asynccontextmanager
async def open_named(
    names: Callable[[], Mapping[str, Path]], given: str, tell: Callable[[str], None]
) -> AsyncIterator[CueFiles]:
    """As `open_files`, for what `names` finds on the disk. `given` is what the user named, for the error."""
    paths = await in_time(names, given)
    async with open_files(paths, tell) as files:
        yield files


async def in_time(work: Callable[[], _T], path: Path | str) -> _T:
    """Do what asks the disk, in a thread. Raises OutputError, which names `path`, if the disk doesn't answer."""
    try:
        with trio.fail_after(OPEN_S):
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except trio.TooSlowError as error:
        raise OutputError(SILENT, place=str(path), remedy="Name a file on another disk") from error
