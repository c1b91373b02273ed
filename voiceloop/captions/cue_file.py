"""One subtitle file: cues are appended, and written again in their place when a second line has come.

    1 Hello.         1 Hello.                1 Hello.
                     2 How are you?            Bonjour.
                                             2 How are you?

Each step is a single write, so a kill leaves all of it or nothing, and the file is valid at every moment.
"""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from voiceloop.captions.cues import Cue
from voiceloop.captions.formats import FORMATS
from voiceloop.errors import OutputError


@dataclass(slots=True, eq=False)
class Entry:
    """A cue, which may still get a second line while it `is_open`."""

    cue: Cue
    is_open: bool


@dataclass(slots=True, eq=False)
class _Written:
    """An entry in the file: its number, and its bytes there; none yet in a file that only grows."""

    entry: Entry
    number: int
    data: bytes = b""


class CueFile:
    """A subtitle file. `grows`: what is written can't be changed, as in a pipe; a cue waits there while it is open."""

    def __init__(self, path: Path, kind: str, handle: int, *, grows: bool) -> None:
        self.path, self._handle, self._grows = path, handle, grows
        head, self._format = FORMATS[kind]
        self._number = 0
        self._size = 0
        self.changed = False
        """Whether something could not be written again, because another program has changed the file."""
        self._rest: list[_Written] = []
        """The entries from the first open one on."""
        if head:
            self._append(head.encode())

    def add(self, entry: Entry) -> None:
        """Append a cue. Raises OutputError."""
        self._number += 1
        written = _Written(entry, self._number)
        if not self._grows:
            written.data = self._text(written)
            self._append(written.data)
        if entry.is_open or self._rest or self._grows:
            self._rest.append(written)
        if self._grows:
            self.settle()

    def settle(self) -> None:
        """Write what has changed of the open cues. Raises OutputError."""
        if not self._grows:
            self._write_again()
        done = list(takewhile(lambda written: not written.entry.is_open, self._rest))
        del self._rest[: len(done)]
        if self._grows and done:
            self._append(b"".join(map(self._text, done)))

    def _text(self, written: _Written) -> bytes:
        return self._format(written.entry.cue, written.number).encode()

    def _write_again(self) -> None:
        """Replace the end of the file, from the first cue on that has changed."""
        texts = [self._text(written) for written in self._rest]
        first = next((at for at, text in enumerate(texts) if text != self._rest[at].data), len(texts))
        if first == len(texts):
            return
        old = b"".join(written.data for written in self._rest[first:])
        self._replace(old, b"".join(texts[first:]))
        for written, text in zip(self._rest[first:], texts[first:], strict=True):
            written.data = text

    def _append(self, data: bytes) -> None:
        try:
            done = os.write(self._handle, data)
            if done < len(data):  # the disk is full: remove the partial cue, which would make the file invalid
                os.ftruncate(self._handle, os.lseek(self._handle, 0, os.SEEK_END) - done)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._unwritable(error) from error
        self._size += len(data)

    def _replace(self, old: bytes, new: bytes) -> None:
        """Write `new` in place of `old`, the end of the file; unless somebody else has changed the file."""
        start = self._size - len(old)
        flags = fcntl.fcntl(self._handle, fcntl.F_GETFL)
        try:
            if os.fstat(self._handle).st_size != self._size:
                self.changed = True
                return
            fcntl.fcntl(self._handle, fcntl.F_SETFL, flags & ~os.O_APPEND)
            try:
                if os.pwrite(self._handle, new, start) < len(new):  # the disk is full: what was there fits
                    os.pwrite(self._handle, old, start)
                    os.ftruncate(self._handle, self._size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                fcntl.fcntl(self._handle, fcntl.F_SETFL, flags)
        except OSError as error:
            raise self._unwritable(error) from error
        self._size = start + len(new)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(f"can't be written: {error.strerror}", place=str(self.path))
