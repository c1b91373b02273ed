"""Lock files: the kernel releases the lock when the process that holds it dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from voiceloop.system.private_files import open_private


class FileLock:
    """An exclusive lock on a file that exists only for the lock. At most one process holds it."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle

    @classmethod
    def take(cls, path: Path) -> FileLock | None:
        """Take the lock; None if a living process holds it. Raises OSError if the file can't be created."""
        while True:
            handle = open_private(path, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return None
            except OSError:
                os.close(handle)
                raise
            if _is_at(handle, path):
                return cls(path, handle)
            os.close(handle)  # its last owner has just removed the file, so this lock protects nothing: try again

    def write(self, text: str) -> None:
        """Replace the file's content, for people who find it. On a full disk it stays empty: the lock holds."""
        with suppress(OSError):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, text.encode(), 0)

    def release(self) -> None:
        """Remove the file, then release the lock."""
        self.path.unlink(missing_ok=True)
        os.close(self._handle)

    def leave(self) -> None:
        """Release the lock as a crash would: the file stays."""
        os.close(self._handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
