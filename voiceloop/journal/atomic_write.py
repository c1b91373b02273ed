"""Writes files that are whole or not there, for their owner alone: beside, then renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PART = ".part"
"""What has this suffix is being written, or was when a program was killed."""


def write_atomically(path: Path, data: bytes, *, synced: bool, new: bool = False) -> None:
    """Put `data` in the place of what is at `path`; `synced` makes it outlast a power failure. `new` takes only a place
    where nothing is: of all who ask for it at once one gets it.

    Raises OSError, with nothing changed; FileExistsError for a place that is taken.
    """
    part = path.with_suffix(PART)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC) | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        if new and path.exists():  # nobody else can make it now: they lack the part
            raise FileExistsError(f"{path} is there already")
        part.rename(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
