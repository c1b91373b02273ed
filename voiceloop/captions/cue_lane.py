"""The thread of one subtitle file, so that a disk that stands still stops nothing else.

    line -> operations -> queue of the file (bounded) -> thread of the file: `CueFile` -> disk

Only immutable operations go from the loop to the thread. The `CueFile` belongs to the thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from voiceloop.captions.cue_file import CueFile, Entry
from voiceloop.captions.cues import Cue
from voiceloop.errors import OutputError
from voiceloop.system.lane import Lane

PATIENCE_S = 2.0
"""How long a write may take before the user is told."""
SILENT = "the disk doesn't answer"
_BYTES_OF_A_CUE = 200
"""What a cue takes in memory besides its text, roughly."""


@dataclass(frozen=True, slots=True)
class _Add:
    """Append a cue. `key` says which one it is."""

    key: int
    cue: Cue
    is_open: bool

    def __len__(self) -> int:
        return _size(self.cue)


@dataclass(frozen=True, slots=True)
class _Settle:
    """Write the cues of a line again, by their keys, all at once and for the last time."""

    cues: tuple[tuple[int, Cue], ...]

    def __len__(self) -> int:
        return sum(_size(cue) for _, cue in self.cues)


def _size(cue: Cue) -> int:
    return _BYTES_OF_A_CUE + sum(len(line.encode()) for line in (*cue.lines, *cue.second))


class CueLane:
    """One subtitle file, and the thread that writes it. `tell` is called, in Trio's thread, with what the user is to
    know."""

    def __init__(self, file: CueFile, handle: int, tell: Callable[[str], None]) -> None:
        self.path, self._file, self._tell = file.path, file, tell
        self.error: OutputError | None = None
        """The reason why nothing more is written."""
        self._open: set[int] = set()
        """The cues that were taken and may still be settled."""
        self._entries: dict[int, Entry] = {}
        """The same ones in the thread, which alone uses this."""
        self._slow = self._full = False
        """Whether the user has been told that captions wait, and that they are left out."""
        self._changed = False
        """Whether the user has been told that another program has changed the file."""
        self._late = False
        """Whether the last cue was waited for in vain."""
        self._token = trio.lowlevel.current_trio_token()
        self.lane = Lane[_Add | _Settle](self._write, self._dropped, self._failed, partial(os.close, handle))

    def add(self, key: int, cue: Cue, *, is_open: bool) -> None:
        """Append a cue, soon; nothing, once the file has failed."""
        if self.error is not None:
            return
        if not self._slow and self.lane.writing_s() > PATIENCE_S:
            self._slow = True
            self._tell(f"{self.path}: {SILENT}. Subtitles wait for it; those that still wait at the end are lost.")
        if self.lane.put(_Add(key, cue, is_open)):
            if is_open:
                self._open.add(key)
        elif not (self._full or self.lane.over):
            self._full = True
            self._tell(f"{self.path}: {SILENT}, and too much waits for it. New subtitles are left out.")

    def settle(self, cues: Sequence[tuple[int, Cue]]) -> None:
        """Write the open cues of a line again, soon: all of them or, if the program is killed, none. They are never
        left out: of each cue that was taken there is one more, at most."""
        if taken := tuple((key, cue) for key, cue in cues if key in self._open):
            self._open.difference_update(key for key, _ in taken)
            self.lane.put(_Settle(taken), always=True)

    def wait(self, at_most_s: float) -> None:
        """Wait until all is written, but not if that was waited for in vain the last time."""
        self._late = not self.lane.wait_until_empty(0.0 if self._late else max(0.0, at_most_s))

    def give_up(self) -> None:
        """Wait for the thread no longer."""
        self.error = self.error or OutputError(f"{SILENT}, so the last subtitles may be missing", place=str(self.path))

    def _write(self, operations: Sequence[_Add | _Settle]) -> None:
        for operation in operations:
            try:
                self._do(operation)
            except OutputError as error:
                raise (error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error))) from None
        self._slow = False

    def _do(self, operation: _Add | _Settle) -> None:
        match operation:
            case _Add(key, cue, is_open):
                entry = Entry(cue, is_open)
                if is_open:
                    self._entries[key] = entry
                self._file.add(entry)
            case _Settle(cues):
                for key, cue in cues:
                    entry = self._entries.pop(key)
                    entry.cue, entry.is_open = cue, False
                self._file.settle()
        if self._file.changed and not self._changed:
            self._changed = True
            self._soon(f"{self.path}: another program has changed it. Second lines are left out of it from now on.")

    def _dropped(self, count: int) -> None:
        self._full = False
        self._soon(f"{self.path}: the disk answers again. Subtitles left out of this file: {count}.")

    def _failed(self, error: OSError) -> None:
        self.error = unwritable(self.path, error)
        self._soon(f"{self.error}. Nothing more is written to this file; all else goes on.")

    def _soon(self, text: str) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._tell, text)


def unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"can't be written: {error.strerror}", place=str(path))
