"""The forced end of the process, when an orderly one takes too long: removes the files that say that it still runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_REMOVING_S = 0.1
"""How long removing may take: a file system may stand still."""
_files: list[Path] = []


@contextmanager
def removed_at_forced_end(*paths: Path) -> Iterator[None]:
    """Have these files removed if the process is forced to end before the block does."""
    _files.extend(paths)
    try:
        yield
    finally:
        for path in paths:
            _files.remove(path)


def end_now(code: int) -> None:
    """End the process with an exit code. Flushes nothing, runs no exit hook: they may hang."""
    guard = threading.Timer(_REMOVING_S, os._exit, [code])
    guard.daemon = True
    guard.start()
    for path in tuple(_files):
        with suppress(OSError):
            path.unlink()
    os._exit(code)
