"""Runs a command's work on Trio: signals, and one clear line out of whatever group of errors comes up."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from voiceloop.errors import VoiceloopError, first

if TYPE_CHECKING:
    import trio

LEAVE_WITHIN_S = 0.8
"""How long an orderly end may take once told to; then the process leaves as it is."""


def run_async(work: Callable[[], Awaitable[int]]) -> None:
    """Run `work` until it ends or is told to, and end the command with its exit code. Raises one VoiceloopError."""
    import trio

    failed: VoiceloopError | None = None
    ending = _Ending()
    signal.signal(signal.SIGINT, ending.told)
    signal.signal(signal.SIGTERM, ending.told)
    try:
        trio.run(_until_told, work, ending)
    except* VoiceloopError as group:
        failed = first(group)
    if failed is not None:  # raised here: Python 3.11.2 puts what is raised inside except* into a group again
        raise failed
    raise SystemExit(ending.code)


class _Ending:
    """What ends the run: a signal (SIGINT 130, SIGTERM 0), or the work itself.

    The handlers stay for as long as the process lives, outside of Trio: they work while its thread is blocked too,
    and a second signal changes nothing.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        self._cancel: Callable[[], None] | None = None

    def told(self, number: int, _: Any) -> None:
        """The signal handler."""
        if self.code is None:
            self.code = 130 if number == signal.SIGINT else 0
            # An orderly end may hang, as it does in a sound server that was stopped. Nothing is flushed then: that may
            # hang as well, and every line was flushed when it was printed.
            timer = threading.Timer(LEAVE_WITHIN_S, os._exit, [self.code])
            timer.daemon = True
            timer.start()
            if self._cancel is not None:
                self._cancel()

    def cancels(self, scope: trio.CancelScope, token: trio.lowlevel.TrioToken) -> None:
        """From now on a signal cancels `scope`; one that has come already does so at once."""
        self._cancel = lambda: token.run_sync_soon(scope.cancel, "told to end")
        if self.code is not None:
            scope.cancel("told to end")


async def _until_told(work: Callable[[], Awaitable[int]], ending: _Ending) -> None:
    import trio

    with trio.CancelScope() as scope:
        ending.cancels(scope, trio.lowlevel.current_trio_token())
        code = await work()
        if ending.code is None:
            ending.code = code
