"""Runs a command on Trio: handles signals, and reduces an exception group to one VoiceloopError."""

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
"""How long an orderly shutdown may take after a signal; after that the process exits at once."""


def run_async(work: Callable[[], Awaitable[int]], *, must_finish: bool = False) -> None:
    """Run `work` until it returns or a signal arrives, then exit with its exit code. Raises a single VoiceloopError.

    `must_finish`: work that has an end of its own, before which SIGTERM is no success: the exit code is 143.
    """
    import trio

    failed: VoiceloopError | None = None
    ending = _Ending(143 if must_finish else 0)
    signal.signal(signal.SIGINT, ending.on_signal)
    signal.signal(signal.SIGTERM, ending.on_signal)
    try:
        trio.run(_run_until_signal, work, ending)
    except* VoiceloopError as group:
        failed = first(group)
    if failed is not None:  # raised here: Python 3.11.2 wraps an exception raised inside except* in a group again
        raise failed
    raise SystemExit(ending.code)


class _Ending:
    """The exit code of the run: set by the first signal (SIGINT 130, SIGTERM `terminated`), or by the work itself.

    The signal handler stays installed until the process exits, and is independent of Trio: it works even while Trio's
    thread is blocked. A second signal changes nothing.
    """

    def __init__(self, terminated: int) -> None:
        self._terminated = terminated
        self.code: int | None = None
        self._cancel: Callable[[], None] | None = None

    def on_signal(self, number: int, _: Any) -> None:
        """Handle SIGINT or SIGTERM: set the exit code, start the shutdown timer and cancel the work."""
        if self.code is None:
            self.code = 130 if number == signal.SIGINT else self._terminated
            # An orderly shutdown may hang, for example on a sound server that was stopped. The timer flushes nothing:
            # that may hang too, and every line was flushed when it was printed.
            timer = threading.Timer(LEAVE_WITHIN_S, os._exit, [self.code])
            timer.daemon = True
            timer.start()
            if self._cancel is not None:
                self._cancel()

    def cancel_on_signal(self, scope: trio.CancelScope, token: trio.lowlevel.TrioToken) -> None:
        """Cancel `scope` when a signal arrives, or at once if one already has."""
        self._cancel = lambda: token.run_sync_soon(scope.cancel, "signal")
        if self.code is not None:
            scope.cancel("signal")


async def _run_until_signal(work: Callable[[], Awaitable[int]], ending: _Ending) -> None:
    import trio

    with trio.CancelScope() as scope:
        ending.cancel_on_signal(scope, trio.lowlevel.current_trio_token())
        code = await work()
        if ending.code is None:
            ending.code = code
