"""Finds what a block of code leaks: unfinished generators, sockets, files. Cancels a block at any chosen step."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from trio.abc import Instrument


@contextmanager
def nothing_unclosed() -> Iterator[None]:
    """Fail when a socket or a generator of httpx is garbage-collected without having been closed."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
        for _ in range(3):
            gc.collect()
    left = [str(warning.message) for warning in seen]
    assert not left, left


def open_files() -> int:
    """The number of open file descriptors of this process."""
    listed = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(list(listed.iterdir()))


class CancelAtStep(Instrument):
    """Cancels `scope` after `steps` more task steps of Trio. With every number of steps in turn, a test cancels at
    every possible point."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._scope, self._left = scope, steps

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel("the step of this test")

    @property
    def reached(self) -> bool:
        return self._left <= 0


@contextmanager
def cancelled_at(steps: int) -> Iterator[CancelAtStep]:
    """Run the block, and cancel it after `steps` task steps of Trio."""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(scope, steps)
        trio.lowlevel.add_instrument(instrument)
        try:
            yield instrument
        finally:
            trio.lowlevel.remove_instrument(instrument)
