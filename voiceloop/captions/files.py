"""Subtitle files: each cue is written as soon as it is final, and again when its second line is there."""

from __future__ import annotations

import fcntl
import heapq
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from voiceloop.captions.cue_file import CueFile, Entry
from voiceloop.captions.cues import CueCutter, with_second_lines
from voiceloop.captions.naming import numbered
from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError
from voiceloop.system.private_files import open_private


class _Taken(Exception):
    """The file holds something, or another session writes it."""


def _open(path: Path) -> int:
    """Open a file that only its owner can read, and return its handle. Raises _Taken and OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise OutputError(f"can't be written: {error.strerror}", place=str(path)) from error
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


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 and not _is_stream(path)
    except OSError:
        return False


def _open_all(paths: Mapping[str, Path], stack: ExitStack) -> dict[str, tuple[Path, int]]:
    """Open the file of each format; if one of them is taken, all with the next number. Nothing is ever overwritten."""
    for names in numbered(paths):
        if any(map(_holds_something, names.values())):
            continue
        with ExitStack() as opening, suppress(_Taken):
            found = {}
            for kind, path in names.items():
                found[kind] = (path, handle := _open(path))
                opening.callback(os.close, handle)
            stack.push(opening.pop_all())
            return found
    raise AssertionError("numbers end")


class CueFiles:
    """`Showing` that writes subtitle files.

    With several sources, a cue waits until no other source can still produce an older one, so that the times in a file
    only grow. When a file can't be written any more (a full disk, say), `failed` is called with the error, and the
    other files and the screen continue without it.
    """

    def __init__(self, files: list[CueFile], failed: Callable[[OutputError], None]) -> None:
        self._files, self._failed = files, failed
        self.paths = tuple(file.path for file in files)
        self.error: OutputError | None = None
        """The error of the first file that failed."""
        self._cutters: dict[str, CueCutter] = {}
        self._since: dict[str, float] = {}
        self._waiting: list[tuple[float, int, Entry]] = []
        self._open: dict[int, list[Entry]] = {}
        """The cues that a second line may still come for, by the numbers of their lines."""
        self._count = 0

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
                self._open.setdefault(final.number, []).append(entry)
            heapq.heappush(self._waiting, (cue.start_s, self._count, entry))
        self.live(live)

    def close(self) -> None:
        """Write the cues that still wait: no more words will come."""
        self._since.clear()
        self._write()
        for entry in (entry for entries in self._open.values() for entry in entries):
            entry.is_open = False
        self._each(CueFile.settle)

    def translated(self, number: int, text: str) -> None:
        """Write the cues of a line again, with their shares of its translation."""
        entries = self._open.pop(number, [])
        cues = [entry.cue for entry in entries]
        for entry, cue in zip(entries, with_second_lines(cues, text) if text else cues, strict=True):
            entry.cue, entry.is_open = cue, False
        self._each(CueFile.settle)

    def _write(self) -> None:
        """Write each waiting cue before which no older one can come."""
        while self._waiting:
            start_s, _, entry = self._waiting[0]
            if any(since_s < start_s for source, since_s in self._since.items() if source != entry.cue.source):
                return
            heapq.heappop(self._waiting)
            self._each(partial(CueFile.add, entry=entry))

    def _each(self, write: Callable[[CueFile], None]) -> None:
        """Write to each file, and leave those out that fail."""
        for file in tuple(self._files):
            try:
                write(file)
            except OutputError as error:
                self._files.remove(file)
                self.error = self.error or error
                self._failed(error)


@contextmanager
def open_files(paths: Mapping[str, Path], failed: Callable[[OutputError], None]) -> Iterator[CueFiles]:
    """Open a file for each format in `paths`; under a name with a number where one holds something already. Raises
    OutputError, on leaving too, for a file that failed meanwhile."""
    with ExitStack() as stack:
        found = _open_all(paths, stack)
        opened = [CueFile(path, kind, handle, grows=_is_stream(path)) for kind, (path, handle) in found.items()]
        files = CueFiles(opened, failed)
        stack.push(partial(_raise_at_the_end, files))
        stack.callback(files.close)
        yield files


def _raise_at_the_end(files: CueFiles, _: object, error: BaseException | None, __: object) -> None:
    """Raise the error of a file that failed, after an interrupt as well; any other error takes precedence."""
    if files.error is not None and not isinstance(error, Exception):
        raise files.error
