"""Second lines in subtitle files: the words are there at once, and every file is valid at every moment."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path
from typing import Any

import pytest
import srt
import trio
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from tests.captions.speech import said
from voiceloop.captions.cue_file import CueFile, Entry
from voiceloop.captions.cues import Cue
from voiceloop.captions.files import open_files
from voiceloop.captions.formats import FORMATS
from voiceloop.captions.showing import Final, Live
from voiceloop.errors import OutputError


def line(number: int, text: str, start_s: float, source: str = "") -> Final:
    return Final(source, tuple(said(text.split(), start_s)), number=number)


def unexpected(text: str) -> None:
    raise AssertionError(text)


def contents(path: Path) -> list[str]:
    cues: list[Any] = list(srt.parse(path.read_text()))  # type: ignore[no-untyped-call]
    return [cue.content for cue in cues]


async def test_words_are_in_the_file_at_once_and_their_second_line_below_them_when_it_comes(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"a.{kind}" for kind in FORMATS}
    async with open_files(paths, unexpected) as files:
        files.final(line(1, "Hello.", 1.0), Live(""))
        files.final(line(2, "Who?", 4.0), Live(""))
        files.final(line(3, "Me.", 7.0), Live(""))
        assert contents(paths["srt"]) == ["Hello.", "Who?", "Me."]
        files.translated(2, "Qui ?")
        assert contents(paths["srt"]) == ["Hello.", "Who?\nQui ?", "Me."]
        files.translated(1, "<i>Bonjour</i> {\\an8}")
        files.translated(3, "")
        files.final(line(4, "You.", 10.0), Live(""))
    assert contents(paths["srt"]) == ["Hello.\n‹i›Bonjour‹/i› (\\an8)", "Who?\nQui ?", "Me.", "You."]
    captions = webvtt.read(str(paths["vtt"])).captions
    assert [html.unescape(cue.text) for cue in captions] == [
        "Hello.\n<i>Bonjour</i> {\\an8}",
        "Who?\nQui ?",
        "Me.",
        "You.",
    ]
    rows = [json.loads(row) for row in paths["jsonl"].read_text().splitlines()]
    assert [row.get("translation") for row in rows] == ["<i>Bonjour</i> {\\an8}", "Qui ?", None, None]
    assert [row["number"] for row in rows] == [1, 2, 3, 4]


async def test_a_second_line_that_comes_before_the_cue_may_be_written_is_written_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    async with open_files({"srt": path}, unexpected) as files:
        files.live(Live("mic", since_s=1.0))
        files.final(line(1, "they said", 2.0, "speaker"), Live("speaker"))
        files.translated(1, "ils ont dit")
        assert path.read_text() == ""
        files.final(line(2, "I said", 1.0, "mic"), Live("mic"))
        assert contents(path) == ["[mic] I said", "[speaker] they said\nils ont dit"]


async def test_in_a_file_that_only_grows_a_cue_waits_for_its_second_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as given:
        async with open_files({"jsonl": Path(f"/dev/fd/{given.fileno()}")}, unexpected) as files:
            files.final(line(1, "one", 1.0), Live(""))
            files.final(line(2, "two", 3.0), Live(""))
            assert path.read_text() == "before\n"
            files.translated(2, "deux")
            assert path.read_text() == "before\n"
            files.translated(1, "un")
            assert len(path.read_text().splitlines()) == 3
            files.final(line(3, "three", 5.0), Live(""))
    _, *lines = path.read_text().splitlines()
    assert [json.loads(row).get("translation") for row in lines] == ["un", "deux", None]


async def test_a_file_that_somebody_else_has_changed_is_not_written_over_and_that_is_told_once(tmp_path: Path) -> None:
    path, told = tmp_path / "a.srt", list[str]()
    async with open_files({"srt": path}, told.append) as files:
        files.final(line(1, "one", 1.0), Live(""))
        with path.open("a") as other:
            other.write("2\n00:00:09,000 --> 00:00:10,000\nmine\n\n")
        files.final(line(2, "two", 3.0), Live(""))
        files.final(line(3, "three", 5.0), Live(""))
        files.translated(3, "")
        await trio.lowlevel.checkpoint()
        assert told == []
        files.translated(1, "un")
        files.translated(2, "deux")
    assert contents(path) == ["one", "mine", "two", "three"]
    assert told == [f"{path}: another program has changed it. Second lines are left out of it from now on."]


@pytest.mark.parametrize("grows", [False, True])
async def test_the_second_lines_of_all_cues_of_a_line_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grows: bool
) -> None:
    """So that a kill leaves all of them or none."""
    path = tmp_path / "a.jsonl"
    path.touch()
    writes: list[bytes] = []
    write, pwrite = os.write, os.pwrite

    def noted(handle: int, data: bytes) -> int:
        writes.append(data)
        return write(handle, data)

    def noted_at(handle: int, data: bytes, offset: int) -> int:
        writes.append(data)
        return pwrite(handle, data, offset)

    with path.open("ab") as given:
        async with open_files({"jsonl": Path(f"/dev/fd/{given.fileno()}") if grows else path}, unexpected) as files:
            files.final(line(1, "seven little words are said here today " * 8, 1.0), Live(""))
            monkeypatch.setattr(os, "write", noted)
            monkeypatch.setattr(os, "pwrite", noted_at)
            files.translated(1, "sept petits mots sont dits ici " * 8)
            monkeypatch.undo()
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    assert len(rows) > 3
    assert all(row["translation"] for row in rows)
    assert [len(data.splitlines()) for data in writes if data.startswith(b"{")] == [len(rows)]


async def test_a_full_disk_leaves_the_words_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reported = tmp_path / "a.srt", list[str]()
    pwrite = os.pwrite
    sizes = iter([20, 10_000])

    def nearly_full(handle: int, data: bytes, offset: int) -> int:
        return pwrite(handle, data[: next(sizes)], offset)

    async def write() -> None:
        async with open_files({"srt": path}, reported.append) as files:
            files.final(line(1, "one", 1.0), Live(""))
            files.final(line(2, "two", 3.0), Live(""))
            monkeypatch.setattr(os, "pwrite", nearly_full)
            files.translated(1, "un")

    with pytest.raises(OutputError):
        await write()
    failure = f"{path}: can't be written: No space left on device"
    assert reported == [f"{failure}. Nothing more is written to this file; all else goes on."]
    assert contents(path) == ["one", "two"]


@given(steps=st.lists(st.tuples(st.integers(0, 6), st.text("abü漢", max_size=6)), max_size=25), grows=st.booleans())
def test_in_whatever_order_second_lines_come_the_file_is_what_it_would_be_written_at_once(
    steps: list[tuple[int, str]], grows: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "a.jsonl"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        file = CueFile(path, "jsonl", handle, grows=grows)
        entries: list[Entry] = []
        for at, (what, text) in enumerate(steps):
            open_ones = [entry for entry in entries if entry.is_open]
            if what < 4 or not open_ones:
                entries.append(Entry(Cue(at, at + 1, (f"line {at}",)), is_open=what < 3))
                file.add(entries[-1])
            else:
                entry = open_ones[what % len(open_ones)]
                entry.cue = Cue(entry.cue.start_s, entry.cue.end_s, entry.cue.lines, second=(text,) if text else ())
                entry.is_open = False
                file.settle()
            rows = [json.loads(row) for row in path.read_text().splitlines()]
            assert grows or len(rows) == len(entries)
        for entry in entries:
            entry.is_open = False
        file.settle()
        _, as_text = FORMATS["jsonl"]
        assert path.read_text() == "".join(as_text(entry.cue, at) for at, entry in enumerate(entries, 1))
    finally:
        os.close(handle)
