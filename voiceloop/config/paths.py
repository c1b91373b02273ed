"""Paths as people write them in settings: `~` and `~name` are home folders."""

from __future__ import annotations

from os.path import expanduser
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """`path` with the home folder in place of `~` or `~name`. Where there is no such user it stays as it is, and
    opening it says so; `Path.expanduser` would end the program."""
    return Path(expanduser(path))  # noqa: PTH111
