"""Finds what a block left behind: generators that were never finished, sockets, tasks."""

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
    """Fails when anything was collected before it was closed: sockets, and httpx's generators."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
        for _ in range(3):
            gc.collect()
    left = [str(warning.message) for warning in seen]
    assert not left, left


def open_files() -> int:
    """File descriptors of this process."""
    listed = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(list(listed.iterdir()))


class CancelAtStep(Instrument):
    """Cancels `scope` when trio has run `steps` more steps of tasks: a cancellation at every point there is."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._scope, self._left = scope, steps

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel("this is the point")

    @property
    def reached(self) -> bool:
        return self._left <= 0


@contextmanager
def cancelled_at(steps: int) -> Iterator[CancelAtStep]:
    """Run the block until trio has made `steps` steps."""
    with trio.CancelScope() as scope:
        instrument = CancelAtStep(scope, steps)
        trio.lowlevel.add_instrument(instrument)
        try:
            yield instrument
        finally:
            trio.lowlevel.remove_instrument(instrument)
