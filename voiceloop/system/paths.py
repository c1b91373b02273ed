"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(name: str | Path) -> Path:
    """The path that `name` means, with `~` and `~user` expanded. A user that isn't there stays as written: no such file
    will be found, which is told where it is opened; `Path.expanduser` raises RuntimeError instead."""
    return Path(os.path.expanduser(name))  # noqa: PTH111
