"""Holds a lent text on the clipboard after a paste, for windows that read it late or several times; then restores the
old content. Knows no protocol.

    keys pressed -> read -> read again ... -> no read for QUIET_S -> restore
    |<-------------- at most MOST_S --------------------->|
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from voiceloop.errors import TargetError

QUIET_S = 2.5
"""How long nobody may have read the text before it is replaced. A browser asks for a paste's forms first, and for its
text only after the page's handlers of keys and pastes have run: each of three may take 0.5 s. Who reads first, a window
or a clipboard history, says nothing about who is still to read."""
MOST_S = 10.0
"""The longest time for a program that reads the clipboard over and over."""

WAITING = (
    f"The clipboard is given back when the window has had time to take the pasted text, in {MOST_S:.0f} s at most; "
    "then voiceloop ends."
)

Restore = Callable[[], Awaitable[object]]


class Hold:
    """The time from a paste to the restoration of the clipboard. One at a time: `ended` waits for the one before."""

    def __init__(self) -> None:
        self._restore: Restore | None = None
        self._until = self._latest = 0.0
        self._begun = trio.Event()
        self._lock = trio.Lock()

    @property
    def left_s(self) -> float | None:
        """For how long the text is still lent, if nobody reads it; None when nothing is lent."""
        return max(0.0, self._until - trio.current_time()) if self._restore is not None else None

    async def run(self) -> None:
        """End each hold in time. To be run in a nursery for as long as the clipboard is used."""
        while True:
            await self._begun.wait()
            await self.ended()

    def begin(self, restore: Restore) -> None:
        """Begin: the keys were pressed. `restore` is called once, in the task that finds the hold at its end."""
        self._restore = restore
        self._until = trio.current_time() + QUIET_S
        self._latest = trio.current_time() + MOST_S
        self._begun.set()

    def read(self) -> None:
        """Note that the text was read."""
        self._until = min(trio.current_time() + QUIET_S, self._latest)

    async def ended(self, tell: Callable[[str], None] = lambda _: None) -> None:
        """Wait until the clipboard is restored; returns at once when nothing is lent. `tell` is called with what is
        waited for, if anything is."""
        if self._restore is not None:
            tell(WAITING)
        async with self._lock:
            if self._restore is None:
                return
            while trio.current_time() < self._until:  # noqa: ASYNC110 - a read moves the time
                await trio.sleep_until(self._until)
            with trio.CancelScope(shield=True), suppress(TargetError):  # the desktop is gone: nothing to restore
                await self._restore()
            self._restore, self._begun = None, trio.Event()
