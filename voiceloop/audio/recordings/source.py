"""The bytes of a recording: a file, or a pipe, which may have to be kept in a private file to be read in any order.

regular file ──────────────────────────────────────────→ read, seek
pipe ─→ head (peeked at) ─→ kinds.needs_seeking? ─ no ──→ read
                                                 └ yes ─→ spooled whole ─→ read, seek
"""

from __future__ import annotations

import io
import os
import select
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from voiceloop.audio.recordings.kinds import HEAD_BYTES, needs_seeking
from voiceloop.audio.riff import is_wav
from voiceloop.audio.wav_reader import Readable
from voiceloop.errors import BadAudioFile

STDIN = Path("-")
SPOOL_LIMIT = 2 * 1024**3
"""The longest pipe that is kept in a file, in bytes: a day of compressed speech, an hour of film."""
SPOOL_FOLDER = "/var/tmp"
"""Used where TMPDIR is not set: `/tmp` is often memory, and this folder is on the disk."""
_PIECE = 65_536
_MAGIC_BYTES = 12


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a recording, from the first one on."""

    file: Readable
    head: bytes
    """The first bytes, which `file` gives again."""
    length: int | None
    """All bytes; None where they aren't known yet."""


class Pipe:
    """A pipe whose first bytes can be looked at. Has what FFmpeg asks a file for; it can't seek."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._head = b""
        self._at_end = False

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end; `read` gives them again."""
        while len(self._head) < size and not self._at_end:
            piece = self._read(_PIECE)
            self._at_end = not piece
            self._head += piece
        return self._head

    def read(self, size: int, /) -> bytes:
        """What has come, at most `size` bytes; waits while nothing has. Empty at the end only."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
            return piece
        return b"" if self._at_end else self._read(size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def _read(self, size: int) -> bytes:
        while True:
            try:
                return os.read(self._handle, size)
            except BlockingIOError:  # another program has made it non-blocking
                select.select([self._handle], [], [])


def waits(path: Path) -> bool:
    """Whether reading may take long: for another program, or because the recording has to be kept in a file before."""
    try:
        if path == STDIN:
            return not stat.S_ISREG(os.fstat(0).st_mode) or os.lseek(0, 0, os.SEEK_CUR) > 0
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


@contextmanager
def open_source(path: Path, check: Callable[[], None]) -> Iterator[Source]:
    """Open a recording; `-` is the standard input. `check` is called between the pieces of a pipe that is kept whole:
    what it raises ends that. Raises OSError, and BadAudioFile without the name."""
    with ExitStack() as stack:
        if path == STDIN:
            handle = 0
        else:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, handle)
        found = os.fstat(handle)
        if stat.S_ISCHR(found.st_mode):  # such as /dev/zero, which never ends
            what = "is a terminal" if os.isatty(handle) else "is a device, not a file"
            raise BadAudioFile(what, remedy="Name a file, or pipe one: … | voiceloop transcribe -")
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(21, os.strerror(21))
        if stat.S_ISREG(found.st_mode) and not os.lseek(handle, 0, os.SEEK_CUR):
            file = stack.enter_context(open(handle, "rb", buffering=0, closefd=False))
            yield _seekable(file, found.st_size)
            return
        pipe = Pipe(handle)
        head = pipe.peek(_MAGIC_BYTES)
        if is_wav(head) or needs_seeking(head) is None:  # only these, since the bytes of a live pipe are waited for
            head = pipe.peek(HEAD_BYTES)
        yield _seekable(*_spooled(pipe, stack, check)) if needs_seeking(head) else Source(pipe, head, None)


def _seekable(file: io.RawIOBase | IO[bytes], length: int) -> Source:
    head = b""
    while len(head) < HEAD_BYTES and (piece := file.read(HEAD_BYTES - len(head))):  # it may give less than is asked for
        head += piece
    file.seek(0)
    return Source(file, head, length)


def _spooled(pipe: Pipe, stack: ExitStack, check: Callable[[], None]) -> tuple[IO[bytes], int]:
    """A file that has no name and only this process can read, with all that comes; and its length."""
    folder = None if os.environ.get("TMPDIR") or not os.access(SPOOL_FOLDER, os.W_OK) else SPOOL_FOLDER
    length = 0
    with _keeping(folder):
        file = stack.enter_context(tempfile.TemporaryFile(dir=folder, buffering=0))  # noqa: SIM115
    while piece := pipe.read(_PIECE):
        check()
        length += len(piece)
        if length > SPOOL_LIMIT:
            raise BadAudioFile(
                f"is longer than {SPOOL_LIMIT // 1024**3} GB, and its kind can't be read as it comes",
                remedy="Write it to a file, and name that",
            )
        with _keeping(folder):
            left = memoryview(piece)
            while left:
                left = left[file.write(left) :]
    file.seek(0)
    return file, length


@contextmanager
def _keeping(folder: str | None) -> Iterator[None]:
    """Name the errors of the file that a pipe is kept in."""
    try:
        yield
    except OSError as error:
        where = folder or tempfile.gettempdir()
        raise BadAudioFile(
            f"can't be kept in {where}, where its kind needs a file: {(error.strerror or str(error)).lower()}",
            remedy="Free some space, or set TMPDIR to another folder",
        ) from error
