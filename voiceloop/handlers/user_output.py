"""Keeps standard output to the program: what a user's function prints goes to standard error.

Standard output has the program's own lines, with `--json` one object each; a `print` in a function of the user's would
break them. The tasks and threads that Trio and asyncio start for a function are covered; output that a library writes
past Python is not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

_IN_FUNCTION: ContextVar[bool] = ContextVar("in a function of the user's", default=False)


class _Divided:
    """Standard output, or standard error while a function of the user's runs."""

    def __init__(self, ours: TextIO) -> None:
        self._ours = ours

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if _IN_FUNCTION.get() else self._ours, name)


@contextmanager
def own_output() -> Iterator[None]:
    """Keep standard output to the program inside the context."""
    before = sys.stdout
    if before is None:  # it was closed before the start
        yield
        return
    divided = cast(TextIO, _Divided(before))
    sys.stdout = divided
    try:
        yield
    finally:
        if sys.stdout is divided:
            sys.stdout = before


@contextmanager
def users_function() -> Iterator[None]:
    """Mark the code inside the context as the user's: what it prints goes to standard error."""
    token = _IN_FUNCTION.set(True)
    try:
        yield
    finally:
        _IN_FUNCTION.reset(token)
