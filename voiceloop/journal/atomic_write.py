"""Atomic writes: a file is complete or absent, and only its owner can read it.

The data is written to a second file beside it, which is then renamed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from voiceloop.system.private_files import open_private

PART = ".part"
"""The suffix of a file that is still being written, or was when its program was killed."""


def write_atomically(path: Path, data: bytes, *, synced: bool, new: bool = False) -> None:
    """Write `data` to `path` and replace a file that is there.

    `synced`: the data survives a power failure. `new`: don't replace a file; if several callers write the same new path
    at once, only one succeeds. Raises OSError with nothing changed; FileExistsError if `new` and the path exists, or
    another caller is writing it.
    """
    part = path.with_suffix(PART)
    handle = open_private(part, os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        if new and path.exists():  # no other caller can create it now: that needs the .part file
            raise FileExistsError(f"{path} already exists")
        part.rename(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
