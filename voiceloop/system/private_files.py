"""Files for their owner alone: what the program writes is read by nobody else, whatever the umask, and whatever the
mode of a file that is there already.

Not for programs that it starts for the user: they get the umask that it was started with.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_PRIVATE = 0o077
_inherited: list[int] = []
"""The umask that this process was started with, once it was changed."""


def keep_private() -> None:
    """Have every file and folder that this process makes from now on be its owner's alone."""
    before = os.umask(_PRIVATE)
    if not _inherited:
        _inherited.append(before)


def inherited_umask() -> int:
    """The umask for programs of the user; -1, as for `subprocess`, if this process never changed it."""
    return _inherited[0] if _inherited else -1


def restore_umask() -> None:
    """Undo `keep_private`: another program is about to take the place of this one."""
    if _inherited:
        os.umask(_inherited.pop())


def open_private(path: Path | str, flags: int) -> int:
    """Open a file for writing, and give its descriptor. Raises OSError.

    A new file, and one that was there, can be read by its owner alone afterwards. What is no regular file stays as it
    is, such as a pipe; and so do a file of another user, and one that the user's shell has opened (/dev/stdout).
    """
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        found = os.fstat(handle)
        given = Path(path).parts[:2] in {("/", "dev"), ("/", "proc")}
        if stat.S_ISREG(found.st_mode) and found.st_mode & _PRIVATE and not given:
            with suppress(OSError):  # not ours, or a file system that has no modes
                os.fchmod(handle, 0o600)
    except OSError:
        os.close(handle)
        raise
    return handle


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file as `open_private` opens it. Raises OSError."""
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(data)
