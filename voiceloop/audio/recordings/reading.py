"""Reads a recording on Trio: a file in the loop's own thread, what waits for another program in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from voiceloop.audio.recordings.opening import Sound, open_sound
from voiceloop.audio.recordings.source import waits

_T = TypeVar("_T")


class Reading:
    """A recording, open after `open`. It is closed by `close`, or by the thread that still opens or reads it then: a
    decoder that is closed while it reads ends the process."""

    sound: Sound

    def __init__(self, opening: AbstractContextManager[Sound], *, waits: bool) -> None:
        self._opening = opening
        self._waits = waits
        self._lock = threading.Lock()
        self._in_thread = self._opened = self._closed = False

    async def open(self) -> None:
        """Open it. Raises BadAudioFile."""
        await self._run(self._open)

    async def read(self) -> bytes:
        """The next samples (int16, mono, 16 kHz), some seconds at most; none at the end. Raises BadAudioFile."""
        return await self._run(self.sound.read)

    def close(self) -> None:
        """Close the recording, or let the thread that reads it do so."""
        with self._lock:
            self._closed = True
            if self._in_thread:
                return
        self._exit()

    async def _run(self, work: Callable[[], _T]) -> _T:
        if not self._waits:
            # A block takes a millisecond. In a thread Trio's autojump clock would not wait for it.
            await trio.lowlevel.checkpoint()
            return work()
        # Cancelled, the thread stays until its pipe gives something: nobody waits for that, and the process can end.
        return await trio.to_thread.run_sync(self._work, work, abandon_on_cancel=True)

    def _work(self, work: Callable[[], _T]) -> _T:
        with self._lock:
            if self._closed:
                raise trio.ClosedResourceError  # to nobody: who asked was cancelled before this thread began
            self._in_thread = True
        try:
            return work()
        finally:
            with self._lock:
                self._in_thread = False
                closed = self._closed
            if closed:
                self._exit()

    def _open(self) -> None:
        self.sound = self._opening.__enter__()
        self._opened = True

    def _exit(self) -> None:
        if self._opened:
            self._opened = False
            self._opening.__exit__(None, None, None)


@asynccontextmanager
async def open_recording(path: Path, *, place: str) -> AsyncIterator[Reading]:
    """Open a recording; `-` is the standard input. Raises BadAudioFile for what can't be read."""
    in_thread = waits(path)
    check = trio.from_thread.check_cancelled if in_thread else _nothing
    reading = Reading(open_sound(path, place=place, check=check), waits=in_thread)
    try:
        await reading.open()
        yield reading
    finally:
        reading.close()


def _nothing() -> None:
    """Check nothing: a file is open at once."""
