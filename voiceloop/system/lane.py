"""A queue and the thread that writes what is in it, so that a file which stands still stops nothing else.

    put -> queue (`BOUND` bytes) -> thread -> write

When the queue is full, what comes is dropped, and counted. Knows nothing of what is written.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence, Sized
from typing import Generic, TypeVar

BOUND = 1_000_000
"""How many bytes may wait: hours of talk. What comes then is dropped."""
_Piece = TypeVar("_Piece", bound=Sized)


class Lane(Generic[_Piece]):
    """The bounded queue of one file, and the thread that writes it.

    It carries pieces whose `len` is their size in bytes. `write` writes all that it is given, in the thread. `told`
    makes what is written in place of dropped pieces from their number, if anything is. `failed` is called in the
    thread when `write` raises OSError; nothing is written after that. The thread calls `close` when it ends; `failed`
    takes its OSError, too.
    """

    def __init__(
        self,
        write: Callable[[Sequence[_Piece]], None],
        told: Callable[[int], _Piece | None],
        failed: Callable[[OSError], None],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._write, self._told, self._failed, self._close = write, told, failed, close
        self._changed = threading.Condition()
        self._waiting: deque[_Piece] = deque()
        self._size = 0
        """The bytes that wait, those that are being written included."""
        self._dropped = 0
        self._begun_s: float | None = None
        """When the present write began."""
        self.over = False
        """Whether it takes nothing more."""
        self._thread = threading.Thread(target=self._work, name="write output", daemon=True)
        self._thread.start()

    def put(self, piece: _Piece, *, always: bool = False) -> bool:
        """Add a piece to what waits. Returns False if it was dropped: too much waits (and it isn't to be
        added `always`), or nothing can be written."""
        with self._changed:
            if self.over:
                return False
            if not always and self._size and self._size + len(piece) > BOUND:
                self._dropped += 1
                return False
            if not always:
                self._fill_gap()
            self._add(piece)
        return True

    def wait_until_empty(self, at_most_s: float | None = None) -> bool:
        """Return True when nothing waits any more: all is written, or nothing can be; False after `at_most_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self.over or not (self._size or self._dropped), at_most_s)

    def writing_s(self) -> float:
        """For how long the present write has been going on."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else time.monotonic() - begun_s

    def end(self) -> None:
        """Take nothing more. What waits is still written, if the process lives on."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def ended(self, at_most_s: float) -> bool:
        """After `end`: wait until all that waits is written and the file is closed. False if it takes longer."""
        self._thread.join(at_most_s)
        return not self._thread.is_alive()

    def _add(self, piece: _Piece) -> None:
        self._waiting.append(piece)
        self._size += len(piece)
        self._changed.notify_all()

    def _fill_gap(self) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped and (piece := self._told(dropped)) is not None:
            self._add(piece)

    def _work(self) -> None:
        try:
            while (pieces := self._next()) is not None:
                self._write(pieces)
                with self._changed:
                    self._begun_s = None
                    self._size -= sum(map(len, pieces))
                    if not self._size:
                        self._fill_gap()
                    self._changed.notify_all()
        except OSError as error:
            self._failed(error)  # before anybody hears that nothing waits
            with self._changed:
                self.over, self._size = True, 0
                self._waiting.clear()
                self._changed.notify_all()
        try:
            self._close()
        except OSError as error:
            self._failed(error)

    def _next(self) -> Sequence[_Piece] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.over)
            if not self._waiting:
                return None
            pieces = tuple(self._waiting)
            self._waiting.clear()
            self._begun_s = time.monotonic()
            return pieces
