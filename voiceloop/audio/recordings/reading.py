"""Reads a recording on Trio: a file in the loop's own thread, what waits for another program in a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from voiceloop.audio.recordings.opening import Sound, open_sound
from voiceloop.audio.recordings.source import waits


class Reading:
    """An open recording."""

    def __init__(self, sound: Sound, *, waits: bool) -> None:
        self.sound = sound
        self._waits = waits
        self.abandoned = False
        """Whether a thread was left behind that may still read."""

    async def read(self) -> bytes:
        """The next samples (int16, mono, 16 kHz), a second or less; none at the end. Raises BadAudioFile."""
        if not self._waits:
            # A block takes a millisecond. In a thread Trio's autojump clock would not wait for it.
            await trio.lowlevel.checkpoint()
            return self.sound.read()
        self.abandoned = True
        pcm = await trio.to_thread.run_sync(self.sound.read, abandon_on_cancel=True)
        self.abandoned = False
        return pcm


@asynccontextmanager
async def open_recording(path: Path, *, place: str) -> AsyncIterator[Reading]:
    """Open a recording; `-` is the standard input. Raises BadAudioFile for what can't be read."""
    opening = open_sound(path, place=place)
    if not waits(path):
        with opening as sound:
            yield Reading(sound, waits=False)
        return
    # Cancelled, the thread stays until its pipe gives something: nobody waits for that, and the process can end.
    reading = Reading(await trio.to_thread.run_sync(opening.__enter__, abandon_on_cancel=True), waits=True)
    try:
        yield reading
    finally:
        if not reading.abandoned:
            opening.__exit__(None, None, None)
