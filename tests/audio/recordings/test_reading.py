"""Recordings on Trio: a pipe holds up nothing, and is left when the task is cancelled."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from testbed.recordings import KINDS, recorded
from voiceloop.audio.recordings.reading import Reading, open_recording
from voiceloop.audio.wav import wav_bytes
from voiceloop.errors import BadAudioFile

PCM = bytes(range(256)) * 400
DATA = wav_bytes(PCM, 16_000)


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


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


async def test_a_recording_that_a_thread_still_reads_is_closed_by_that_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is closed while it reads ends the process."""
    began, came, closed = threading.Event(), threading.Event(), threading.Event()

    class Waiting:
        def read(self) -> bytes:
            began.set()
            assert came.wait(60)
            return b""

    @contextmanager
    def opening(path: Path, *, place: str, **_: object) -> Iterator[Any]:
        try:
            yield Waiting()
        finally:
            closed.set()

    monkeypatch.setattr("voiceloop.audio.recordings.reading.open_sound", opening)
    reading, writing = os.pipe()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            async with open_recording(Path(f"/dev/fd/{reading}"), place="x") as recording:
                await recording.read()

        nursery.start_soon(read)
        assert await trio.to_thread.run_sync(began.wait, 60)
        nursery.cancel_scope.cancel("the user has ended it")
    gc.collect()
    assert not closed.is_set()
    came.set()
    assert await trio.to_thread.run_sync(closed.wait, 60)
    os.close(reading)
    os.close(writing)


async def test_a_pipe_that_is_kept_whole_is_kept_no_longer_when_cancelled() -> None:
    pytest.importorskip("av", reason="the extra 'files' is not installed")
    data = recorded(KINDS["M4A, its index at the end"], PCM)
    reading, writing = os.pipe()
    os.write(writing, data[:20_000])
    before = open_files()

    async def read() -> None:
        async with open_recording(Path(f"/dev/fd/{reading}"), place="x"):
            pass

    async def until_open(count: int) -> None:
        with trio.fail_after(60):
            while open_files() != count:  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await until_open(before + 2)  # the pipe, and the file that it is kept in
        nursery.cancel_scope.cancel("the user has ended it")
    os.write(writing, data[20_000:20_001])  # the pipe gives something, and doesn't end
    await until_open(before)
    os.close(writing)
    os.close(reading)


async def test_a_recording_that_is_open_only_after_the_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    began, came, closed = threading.Event(), threading.Event(), threading.Event()

    @contextmanager
    def opening(path: Path, *, place: str, **_: object) -> Iterator[Any]:
        began.set()
        assert came.wait(60)
        try:
            yield None
        finally:
            closed.set()

    monkeypatch.setattr("voiceloop.audio.recordings.reading.open_sound", opening)
    reading, writing = os.pipe()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            async with open_recording(Path(f"/dev/fd/{reading}"), place="x"):
                pass

        nursery.start_soon(read)
        assert await trio.to_thread.run_sync(began.wait, 60)
        nursery.cancel_scope.cancel("the user has ended it")
    came.set()
    assert await trio.to_thread.run_sync(closed.wait, 60)
    os.close(reading)
    os.close(writing)


async def test_a_read_that_is_cancelled_before_it_begins_leaves_nothing_open() -> None:
    reading, writing = os.pipe()
    os.write(writing, DATA[:20_000])
    before = open_files()
    with trio.CancelScope() as scope:
        async with open_recording(Path(f"/dev/fd/{reading}"), place="x") as recording:
            scope.cancel("the user has ended it")
            await recording.read()
    assert scope.cancelled_caught
    assert open_files() == before
    os.close(writing)
    os.close(reading)


async def test_a_broken_recording_from_a_pipe_is_closed_at_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, DATA[:20_000])
    os.close(writing)
    before = open_files()
    with pytest.raises(BadAudioFile):  # noqa: PT012 - raised within, as by a damaged recording
        async with open_recording(Path(f"/dev/fd/{reading}"), place="x") as recording:
            await recording.read()
            raise BadAudioFile("is damaged", remedy="Copy it again")
    assert open_files() == before
    os.close(reading)
