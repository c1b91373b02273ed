"""Subtitle files: each cue is appended as soon as it is final, and a kill never leaves half a cue."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from heapq import heappop, heappush
from pathlib import Path

from voiceloop.captions.cues import Cue, CueCutter
from voiceloop.captions.formats import FORMATS
from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError


class CueFile:
    """One subtitle file. Each cue is a single write, so a kill leaves all of it or nothing."""

    def __init__(self, path: Path, kind: str, handle: int) -> None:
        self._path, self._handle = path, handle
        head, self._format = FORMATS[kind]
        self._number = 0
        if head:
            self._write(head)

    def add(self, cue: Cue) -> None:
        """Append a cue. Raises OutputError."""
        self._number += 1
        self._write(self._format(cue, self._number))

    def _write(self, text: str) -> None:
        data = text.encode()
        try:
            written = os.write(self._handle, data)
            if written < len(data):  # the disk is full: remove the partial cue, which would make the file invalid
                os.ftruncate(self._handle, os.lseek(self._handle, 0, os.SEEK_END) - written)
                raise OSError(28, "no space left on device")
        except OSError as error:
            raise OutputError(f"can't be written: {error.strerror}", place=str(self._path)) from error


@contextmanager
def open_file(path: Path, kind: str) -> Iterator[CueFile]:
    """Create a file that only its owner can read. Raises OutputError when the file exists and is not empty: one session
    never overwrites the captions of another."""
    path = path.expanduser()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise OutputError(f"can't be written: {error.strerror}", place=str(path)) from error
    try:
        if os.fstat(handle).st_size:
            remedy = "Name another file, or delete this one"
            raise OutputError("the file is not empty, and captions overwrite nothing", place=str(path), remedy=remedy)
        yield CueFile(path, kind, handle)
    finally:
        os.close(handle)


class CueFiles:
    """`Showing` that writes subtitle files.

    With several sources, a cue waits until no other source can still produce an older one, so that the times in a file
    only grow. When a file can't be written any more (a full disk, say), `failed` is called with the error, and the
    other files and the screen continue without it.
    """

    def __init__(self, files: list[CueFile], failed: Callable[[OutputError], None]) -> None:
        self._files, self._failed = files, failed
        self.error: OutputError | None = None
        """The error of the first file that failed."""
        self._cutters: dict[str, CueCutter] = {}
        self._since: dict[str, float] = {}
        self._waiting: list[tuple[float, int, Cue]] = []
        self._count = 0

    def live(self, live: Live) -> None:
        if live.since_s is None:
            self._since.pop(live.source, None)
        else:
            self._since[live.source] = live.since_s
        self._write()

    def final(self, final: Final, live: Live) -> None:
        next_s = math.inf if live.since_s is None else live.since_s
        for cue in self._cutters.setdefault(final.source, CueCutter(final.source)).cut(final.words, next_s=next_s):
            self._count += 1
            heappush(self._waiting, (cue.start_s, self._count, cue))
        self.live(live)

    def close(self) -> None:
        """Write the cues that still wait: no more words will come."""
        self._since.clear()
        self._write()

    def _write(self) -> None:
        """Write each waiting cue before which no older one can come."""
        while self._waiting:
            start_s, _, cue = self._waiting[0]
            if any(since_s < start_s for source, since_s in self._since.items() if source != cue.source):
                return
            heappop(self._waiting)
            for file in tuple(self._files):
                try:
                    file.add(cue)
                except OutputError as error:
                    self._files.remove(file)
                    self.error = self.error or error
                    self._failed(error)


@contextmanager
def open_files(paths: Mapping[str, Path], failed: Callable[[OutputError], None]) -> Iterator[CueFiles]:
    """Open a file for each format in `paths`. Raises OutputError, on leaving too, for a file that failed meanwhile."""
    with ExitStack() as stack:
        files = CueFiles([stack.enter_context(open_file(path, kind)) for kind, path in paths.items()], failed)
        stack.push(partial(_raise_at_the_end, files))
        stack.callback(files.close)
        yield files


def _raise_at_the_end(files: CueFiles, _: object, error: BaseException | None, __: object) -> None:
    """Raise the error of a file that failed, after an interrupt as well; any other error takes precedence."""
    if files.error is not None and not isinstance(error, Exception):
        raise files.error
