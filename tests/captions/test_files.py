"""Subtitle files: whole after every cue, written by threads, on disks that are full or stand still."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import srt
import trio
import webvtt

from tests.captions.speech import said
from voiceloop.captions import cue_lane
from voiceloop.captions import files as module
from voiceloop.captions.files import END_S, in_time, open_files
from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError
from voiceloop.system.lane import BOUND


def read_srt(text: str) -> list[Any]:
    found: list[Any] = list(srt.parse(text))  # type: ignore[no-untyped-call]
    return found


def final(text: str, start_s: float, source: str = "") -> Final:
    return Final(source, tuple(said(text.split(), start_s)))


def unexpected(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def stalled(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A file that takes nothing, as on a disk that stands still, until its descriptor is read: a full pipe."""
    path = tmp_path / "stalled.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        while True:
            os.write(reader, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(reader, True)
    yield path, reader
    os.close(reader)


async def test_in_a_file_a_cue_ends_when_the_next_words_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    async with open_files({"jsonl": path}, unexpected) as files:
        files.final(final("yes", 1.0), Live("", since_s=1.6))
        files.final(final("no", 1.7), Live(""))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(1.0, 1.6), (1.7, 2.7)]


@pytest.mark.parametrize(
    ("ending", "raised"), [(None, OutputError), (KeyboardInterrupt(), OutputError), (ValueError(), ValueError)]
)
async def test_a_file_that_cannot_be_written_is_reported_and_the_other_file_goes_on(
    tmp_path: Path, ending: BaseException | None, raised: type[BaseException]
) -> None:
    reported: list[str] = []
    paths = {"srt": Path("/dev/full"), "jsonl": tmp_path / "a.jsonl"}

    async def write() -> None:
        async with open_files(paths, reported.append) as files:
            files.final(final("one", 10.0), Live(""))
            files.final(final("two", 20.0), Live(""))
            if ending is not None:
                raise ending

    with pytest.raises(raised):
        await write()
    assert len(paths["jsonl"].read_text().splitlines()) == 2
    failure = "/dev/full: can't be written: No space left on device"
    assert reported == [f"{failure}. Nothing more is written to this file; all else goes on."]


async def test_files_contain_each_cue_as_soon_as_it_is_final(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"a.{kind}" for kind in ("srt", "vtt", "jsonl")}
    async with open_files(paths, unexpected) as files:
        for number in range(1, 4):
            files.final(final(f"sentence number {number}", 10.0 * number), Live(""))
            assert len(read_srt(paths["srt"].read_text())) == number
            assert len(webvtt.read(str(paths["vtt"]))) == number
            assert len([json.loads(line) for line in paths["jsonl"].read_text().splitlines()]) == number
    assert paths["srt"].stat().st_mode & 0o777 == 0o600
    parsed = read_srt(paths["srt"].read_text())
    assert [cue.start.total_seconds() for cue in parsed] == [10.0, 20.0, 30.0]


async def test_cues_of_two_sources_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    async with open_files({"jsonl": path}, unexpected) as files:
        files.live(Live("mic", since_s=1.0))
        files.final(final("they said", 2.0, "speaker"), Live("speaker"))
        assert path.read_text() == ""  # the microphone's words began earlier and are not final yet
        files.final(final("I said", 1.0, "mic"), Live("mic"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["source"], row["text"]) for row in rows] == [("mic", "I said"), ("speaker", "they said")]


async def test_nothing_is_overwritten_and_the_files_of_a_session_have_one_number(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"a.{kind}" for kind in ("srt", "vtt")}
    paths["vtt"].write_text("mine")
    for number, file in enumerate(("a-2", "a-3")):
        async with open_files(paths, unexpected) as files:
            files.final(final(f"session {number}", 1.0), Live(""))
            assert files.paths == (tmp_path / f"{file}.srt", tmp_path / f"{file}.vtt")
    assert paths["vtt"].read_text() == "mine"
    assert not paths["srt"].exists()
    assert "session 0" in (tmp_path / "a-2.srt").read_text()
    assert "session 1" in (tmp_path / "a-3.srt").read_text()


async def test_two_sessions_at_the_same_time_write_two_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.srt"
    async with open_files({"srt": path}, unexpected) as first, open_files({"srt": path}, unexpected) as second:
        assert (first.paths, second.paths) == ((path,), (tmp_path / "new" / "a-2.srt",))


async def test_another_programs_file_is_written_on_to(tmp_path: Path) -> None:
    """As /dev/stdout is, where the shell has opened the file by `>>`."""
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as given:
        other = {"jsonl": Path(f"/dev/fd/{given.fileno()}")}
        for _ in range(2):
            async with open_files(other, unexpected) as files:
                files.final(final("hello", 1.0), Live(""))
    before, *lines = path.read_text().splitlines()
    assert (before, [json.loads(line)["text"] for line in lines]) == ("before", ["hello", "hello"])


async def test_a_disk_that_stands_still_stalls_neither_the_loop_nor_the_other_file_nor_the_end(
    stalled: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cue_lane, "PATIENCE_S", 0.0)
    monkeypatch.setattr(module, "_AT_ONCE_S", 0.5)
    told: list[str] = []
    times_s = [time.monotonic()]
    path, other = stalled[0], tmp_path / "a.srt"

    async def write() -> None:
        async with open_files({"jsonl": path, "srt": other}, told.append) as files:
            for number in range(100):
                files.final(final(f"sentence {number}", 10.0 * number), Live(""))
            times_s.append(time.monotonic())

    with pytest.raises(OutputError, match="the disk doesn't answer, so the last subtitles may be missing"):
        await write()
    began_s, ending_s, ended_s = [*times_s, time.monotonic()]
    assert ending_s - began_s < 100 * 0.5 / 2  # it was waited for in vain once, not each time
    assert ended_s - ending_s < END_S + 0.5
    assert len(read_srt(other.read_text())) == 100
    assert [text.partition(" Subtitles wait")[0] for text in told] == [f"{path}: the disk doesn't answer."]


async def test_nothing_is_lost_on_a_disk_that_answers_again(stalled: tuple[Path, int]) -> None:
    path, reader = stalled
    texts = []
    async with open_files({"jsonl": path}, unexpected) as files:
        for number in range(100):
            files.final(final(f"sentence {number}", 10.0 * number), Live(""))
        data = b""
        while data.count(b"\n") < 100:
            data += os.read(reader, 65_536)
        texts = [json.loads(line)["text"] for line in data.lstrip(b"x").splitlines()]
    assert texts == [f"sentence {number}" for number in range(100)]


async def test_what_waits_for_the_disk_is_bounded_and_what_is_left_out_is_told_with_its_number(
    stalled: tuple[Path, int],
) -> None:
    path, reader = stalled
    told: list[str] = []
    async with open_files({"jsonl": path}, told.append) as files:
        count = 0
        while len(told) < 1:
            files.final(final("bound " * 2_000, 10_000.0 * count), Live(""))
            count += 1
            assert count < BOUND  # it would be far too much
        silent = f"{path}: the disk doesn't answer, and too much waits for it"
        assert told == [f"{silent}. New subtitles are left out."]
        data = b""
        while len(told) < 2:
            data += await trio.to_thread.run_sync(os.read, reader, 65_536)
        files.final(final("the end", 10_000.0 * count), Live(""))
        while not data.endswith(b"\n") or b"the end" not in data:
            data += await trio.to_thread.run_sync(os.read, reader, 65_536)
    rows = [json.loads(line) for line in data.lstrip(b"x").splitlines()]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    answered, _, left_out = told[1].rpartition(" ")
    assert answered == f"{path}: the disk answers again. Subtitles left out of this file:"
    assert int(left_out.rstrip(".")) > 0


async def test_a_second_line_is_written_though_the_queue_is_full(stalled: tuple[Path, int]) -> None:
    path, reader = stalled
    os.set_blocking(reader, False)
    told: list[str] = []
    answers_again = trio.Event()
    data = b""

    def tell(text: str) -> None:
        told.append(text)
        if "answers again" in text:
            answers_again.set()

    async def read() -> None:
        nonlocal data
        while True:
            await trio.lowlevel.wait_readable(reader)
            data += os.read(reader, 65_536)

    def line(number: int, text: str) -> Final:
        return replace(final(text, 10_000.0 * number), number=number)

    async with open_files({"jsonl": path}, tell) as files:
        files.final(line(0, "zero"), Live(""))  # which no second line is awaited for: the disk is asked to take it
        files.final(line(1, "one"), Live(""))
        count = 1
        while not told:
            count += 1
            files.final(line(count, "bound " * 2_000), Live(""))
            assert count < BOUND  # it would be far too much
        for number in range(1, count + 1):  # of the last one cues were left out
            files.translated(number, "un")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await answers_again.wait()  # nothing waits any more
            nursery.cancel_scope.cancel()
        with suppress(BlockingIOError):
            while True:
                data += os.read(reader, 65_536)
    rows = [json.loads(row) for row in data.lstrip(b"x").splitlines()]
    assert [row["text"] for row in rows[:2]] == ["zero", "one"]
    assert rows[1]["translation"] == "un"
    lines = [row["start_s"] // 10_000 for row in rows if "translation" in row]
    assert set(lines) >= set(range(1, count))


async def test_the_start_waits_for_no_disk_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_S", 0.05)
    path = tmp_path / "a.srt"
    os.mkfifo(path)  # opening it for writing waits for a reader
    with pytest.raises(OutputError, match=r"a\.srt: the disk doesn't answer\. Name a file on another disk"):
        async with open_files({"srt": path}, unexpected):
            pass
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # lets go of the thread


async def test_what_is_asked_of_the_disk_for_a_name_is_limited_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_S", 0.05)
    reader, writer = os.pipe()
    with pytest.raises(OutputError, match=r"talks/: the disk doesn't answer"):
        await in_time(lambda: os.read(reader, 1), "talks/")
    os.close(writer)
    os.close(reader)
