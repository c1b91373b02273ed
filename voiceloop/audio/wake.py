"""Wakes a task from a thread that must not wait: an audio callback."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import trio

if sys.platform == "linux":

    class Wake:
        """An eventfd: 6 µs in the callback, and no other thread's turn at the GIL is needed to deliver it."""

        def __init__(self) -> None:
            self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

        def set(self) -> None:
            """From any thread, as often as wanted, but not after `close`."""
            os.eventfd_write(self._fd, 1)

        async def wait(self) -> None:
            """Return when `set` was called since the last `wait`. For one task."""
            await trio.lowlevel.wait_readable(self._fd)
            os.eventfd_read(self._fd)

        def close(self) -> None:
            """Only when no callback can come any more: the number may soon be another file's."""
            os.close(self._fd)

else:

    class Wake:
        """Trio's own way, where there is no eventfd."""

        def __init__(self) -> None:
            self._token = trio.lowlevel.current_trio_token()
            self._event = trio.Event()

        def set(self) -> None:
            """From any thread, as often as wanted."""
            with suppress(trio.RunFinishedError):  # a callback that outlives the run
                self._token.run_sync_soon(self._fire, idempotent=True)

        def _fire(self) -> None:
            self._event.set()

        async def wait(self) -> None:
            """Return when `set` was called since the last `wait`. For one task."""
            await self._event.wait()
            self._event = trio.Event()

        def close(self) -> None:
            pass
