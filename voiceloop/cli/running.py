"""Runs a command on Trio: handles signals, and reduces an exception group to one VoiceloopError."""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from voiceloop.errors import VoiceloopError, first
from voiceloop.system.forced_end import end_now

if TYPE_CHECKING:
    import trio

    from voiceloop.cli.output import Output

LEAVE_WITHIN_S = 0.8
"""How long an orderly shutdown may take after a signal; after that the process exits at once."""


LAST_WORDS_S = 0.3
"""How long what is still to be printed is waited for after a signal or an error: perhaps nobody reads."""


def run_async(
    work: Callable[[], Awaitable[int]],
    *,
    must_finish: bool = False,
    output: Callable[[], AbstractContextManager[Output | None]] = nullcontext,
) -> None:
    """Run `work` until it returns or a signal arrives, then exit with its exit code. Raises a single VoiceloopError.

    `must_finish`: work that has an end of its own, before which SIGTERM is no success: the exit code is 143. `output`
    is what prints meanwhile, where printing may not stop the work.
    """
    import trio

    failed: VoiceloopError | None = None
    ending = _Ending(143 if must_finish else 0)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        number = getattr(signal, name, None)
        if number is not None and (number in _ALWAYS or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, ending.on_signal)
    try:
        trio.run(_run_until_signal, work, ending, output)
    except* VoiceloopError as group:
        failed = first(group)
    if failed is not None:  # raised here: Python 3.11.2 wraps an exception raised inside except* in a group again
        raise failed
    raise SystemExit(ending.code)


_ALWAYS = frozenset({signal.SIGINT, signal.SIGTERM})
"""The signals that end the program even where its parent ignores them; the others may be ignored, as by nohup."""


class _Ending:
    """The exit code of the run: set by the first signal (SIGINT 130, SIGTERM and the others `terminated`), or by the
    work itself.

    The signal handler stays installed until the process exits, and is independent of Trio: it works even while Trio's
    thread is blocked. A second signal changes nothing.
    """

    def __init__(self, terminated: int) -> None:
        self._terminated = terminated
        self.code: int | None = None
        self._cancel: Callable[[], None] | None = None

    def on_signal(self, number: int, _: Any) -> None:
        """Handle a signal: set the exit code, start the shutdown timer and cancel the work."""
        if self.code is None:
            self.code = 130 if number == signal.SIGINT else self._terminated
            # An orderly shutdown may hang, for example on a sound server that was stopped. The timer flushes nothing:
            # that may hang too, and every line was flushed when it was printed.
            timer = threading.Timer(LEAVE_WITHIN_S, end_now, [self.code])
            timer.daemon = True
            timer.start()
            if self._cancel is not None:
                self._cancel()

    def cancel_on_signal(self, scope: trio.CancelScope, token: trio.lowlevel.TrioToken) -> None:
        """Cancel `scope` when a signal arrives, or at once if one already has."""
        self._cancel = lambda: token.run_sync_soon(scope.cancel, "signal")
        if self.code is not None:
            scope.cancel("signal")


async def _run_until_signal(
    work: Callable[[], Awaitable[int]],
    ending: _Ending,
    output: Callable[[], AbstractContextManager[Output | None]],
) -> None:
    import trio

    with output() as printing:
        try:
            with trio.CancelScope() as scope:
                ending.cancel_on_signal(scope, trio.lowlevel.current_trio_token())
                code = await _printed(work, printing)
                if ending.code is None:
                    ending.code = code
        finally:
            if printing is not None:
                with trio.move_on_after(LAST_WORDS_S, shield=True):
                    await printing.written()


async def _printed(work: Callable[[], Awaitable[int]], printing: Output | None) -> int:
    """Do the work, and wait until what it printed is written. Raises OutputError if that can't be."""
    import trio

    if printing is None:
        return await work()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(printing.watch, name="watching standard output")
        code = await work()
        await printing.written()
        nursery.cancel_scope.cancel()
    return code
