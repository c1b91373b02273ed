"""Recordings on Trio: a pipe holds up nothing, and is left when the task is cancelled."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from voiceloop.audio.recordings.reading import Reading, open_recording
from voiceloop.audio.wav import wav_bytes
from voiceloop.errors import BadAudioFile

PCM = bytes(range(256)) * 400
DATA = wav_bytes(PCM, 16_000)


async def all_of(reading: Reading) -> bytes:
    pcm = b""
    while more := await reading.read():
        pcm += more
    return pcm


async def test_a_file_is_read_in_virtual_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / "x.wav").write_bytes(DATA)
    before = threading.active_count()
    async with open_recording(tmp_path / "x.wav", place="x") as reading:
        assert await all_of(reading) == PCM
    assert threading.active_count() == before


async def test_while_a_pipe_gives_nothing_the_loop_goes_on() -> None:
    reading, writing = os.pipe()
    async with trio.open_nursery() as nursery:
        heard: list[bytes] = []

        async def read() -> None:
            async with open_recording(Path(f"/dev/fd/{reading}"), place="x") as recording:
                heard.append(await all_of(recording))

        nursery.start_soon(read)
        for at in range(0, len(DATA), 5_000):  # this task would never run if reading held up the loop
            await trio.lowlevel.checkpoint()
            os.write(writing, DATA[at : at + 5_000])
        os.close(writing)
    os.close(reading)
    assert heard == [PCM]


@pytest.mark.parametrize("sent", [b"", DATA[:20], DATA[:20_000]], ids=["opening", "its header", "reading"])
async def test_a_pipe_that_gives_nothing_is_left_when_cancelled(sent: bytes) -> None:
    reading, writing = os.pipe()
    os.write(writing, sent or b"\0")
    with trio.move_on_after(0.3) as scope:
        async with open_recording(Path(f"/dev/fd/{reading}"), place="x") as recording:
            await all_of(recording)
    assert scope.cancelled_caught
    # The thread that still reads ends with the pipe, and nothing was closed under it.
    os.close(writing)
    os.close(reading)


async def test_what_cannot_be_read_is_an_error_from_a_pipe_too() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(BadAudioFile, match=rf"^x: /dev/fd/{reading} is empty"):
        async with open_recording(Path(f"/dev/fd/{reading}"), place="x"):
            pass
    os.close(reading)
