"""Who owns what on disk: a lock file that the kernel lets go when its owner dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class FileLock:
    """An exclusive lock on a file, which is made for it and removed with it. One process holds it, or nobody."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle

    @classmethod
    def take(cls, path: Path) -> FileLock | None:
        """Take the lock, or None when a living process has it. Raises OSError when the file can't be made."""
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
            os.close(handle)  # its last owner has just removed it: what we hold is nobody's lock

    def write(self, text: str) -> None:
        """Leave a word in the file for those who find it locked."""
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text.encode(), 0)

    def release(self) -> None:
        """Remove the file, then let it go."""
        self.path.unlink(missing_ok=True)
        os.close(self._handle)

    def leave(self) -> None:
        """Let it go as a crash would: the file stays."""
        os.close(self._handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
