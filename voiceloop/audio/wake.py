"""A wake-up call for a task, made from a thread that must not block, such as PortAudio's callback."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import trio

if sys.platform == "linux":

    class Wake:
        """A wake-up by eventfd: 6 µs in the callback, and no other thread needs the GIL to deliver it."""

        def __init__(self) -> None:
            self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

        def set(self) -> None:
            """Wake the waiting task. May be called from any thread, any number of times, but not after `close`."""
            os.eventfd_write(self._fd, 1)

        async def wait(self) -> None:
            """Return as soon as `set` has been called since the last `wait`. For one task only."""
            await trio.lowlevel.wait_readable(self._fd)
            os.eventfd_read(self._fd)

        def close(self) -> None:
            """Close the eventfd. Call it when no callback can come any more: its number may be reused for a file."""
            os.close(self._fd)

else:

    class Wake:
        """A wake-up by Trio's `run_sync_soon`, for systems without eventfd."""

        def __init__(self) -> None:
            self._token = trio.lowlevel.current_trio_token()
            self._event = trio.Event()

        def set(self) -> None:
            """Wake the waiting task. May be called from any thread, any number of times."""
            with suppress(trio.RunFinishedError):  # a callback that comes after Trio's run has ended
                self._token.run_sync_soon(self._fire, idempotent=True)

        def _fire(self) -> None:
            self._event.set()

        async def wait(self) -> None:
            """Return as soon as `set` has been called since the last `wait`. For one task only."""
            await self._event.wait()
            self._event = trio.Event()

        def close(self) -> None:
            pass
