"""The progress of fetching, on standard error: one line that is redrawn on a terminal, else a line for each file."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from voiceloop.cli.render import columns_of, print_line
from voiceloop.models.catalogue import megabytes

REDRAW_S = 0.1
_BAR = 20
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows how far each file is. Call it with the file's name, its bytes so far, and all its bytes."""

    def __init__(self, to: TextIO | None = None) -> None:
        self._to = to or sys.stderr
        self._columns = columns_of(self._to)
        self._name = ""
        self._ended = True
        self._drawn_at = 0.0

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name != self._name:
            self.end()
            self._name, self._ended, self._drawn_at = name, False, 0.0
        if self._ended:
            return
        now = time.monotonic()
        whole = total is not None and done >= total
        if self._columns and (whole or now - self._drawn_at >= REDRAW_S):
            self._drawn_at = now
            print_line(_CLEAR + line(name, done, total, self._columns), to=self._to, end="")
        if whole:
            if not self._columns:
                print_line(line(name, done, total, 80), to=self._to)
            self.end()

    def end(self) -> None:
        """Go on to a new line, if one is drawn."""
        if self._columns and not self._ended:
            print_line("", to=self._to)
        self._ended = True


def line(name: str, done: int, total: int | None, columns: int) -> str:
    """The state of a file, at most one less than `columns` wide: `model.bin  [####····]  31 of 76 MB`."""
    amount = megabytes(done) if total is None else f"{megabytes(done)} of {megabytes(total)}"
    if total is not None and done >= total:
        amount = megabytes(total)
    wide = columns - 1 - len(amount) - _BAR - 6
    if total is None or total <= 0 or wide < len(name):
        return f"{name}  {amount}"[: columns - 1]
    filled = min(done, total) * _BAR // total
    return f"{name}  [{'#' * filled}{'.' * (_BAR - filled)}]  {amount}"
