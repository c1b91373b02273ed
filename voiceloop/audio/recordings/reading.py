"""Reads a recording on Trio: a file in the loop's own thread, what waits for another program in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import trio

from voiceloop.audio.recordings.opening import Sound, open_sound
from voiceloop.audio.recordings.source import waits


class Reading:
    """An open recording. It is closed by `close`, or by the thread that still reads it then: a decoder that is closed
    while it reads ends the process."""

    def __init__(self, sound: Sound, opening: AbstractContextManager[Sound], *, waits: bool) -> None:
        self.sound = sound
        self._opening = opening
        self._waits = waits
        self._lock = threading.Lock()
        self._in_thread = self._closed = False

    async def read(self) -> bytes:
        """The next samples (int16, mono, 16 kHz), some seconds at most; none at the end. Raises BadAudioFile."""
        if not self._waits:
            # A block takes a millisecond. In a thread Trio's autojump clock would not wait for it.
            await trio.lowlevel.checkpoint()
            return self.sound.read()
        self._in_thread = True
        # Cancelled, the thread stays until its pipe gives something: nobody waits for that, and the process can end.
        return await trio.to_thread.run_sync(self._read, abandon_on_cancel=True)

    def close(self) -> None:
        """Close the recording, or let the thread that reads it do so."""
        with self._lock:
            self._closed = True
            if self._in_thread:
                return
        self._opening.__exit__(None, None, None)

    def _read(self) -> bytes:
        opening = self._opening  # alive for as long as this thread reads, also when the interpreter ends
        try:
            return self.sound.read()
        finally:
            with self._lock:
                self._in_thread = False
                closed = self._closed
            if closed:
                opening.__exit__(None, None, None)


@asynccontextmanager
async def open_recording(path: Path, *, place: str) -> AsyncIterator[Reading]:
    """Open a recording; `-` is the standard input. Raises BadAudioFile for what can't be read."""
    opening = open_sound(path, place=place)
    if waits(path):
        reading = Reading(await trio.to_thread.run_sync(opening.__enter__, abandon_on_cancel=True), opening, waits=True)
    else:
        reading = Reading(opening.__enter__(), opening, waits=False)
    try:
        yield reading
    finally:
        reading.close()
