"""Dictation into files and to standard output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from testbed.disks import full_at
from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets.target import TargetOptions
from voiceloop.errors import CantUndo, TargetError, UsageError

OPTIONS = TargetOptions()


def publish(name: str, /, **fields: object) -> None:
    pass


async def test_text_is_appended_to_a_file_and_undone_exactly(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Mine.")
    async with open_target(f"file:{path}", OPTIONS, publish) as target:
        await target.insert(" Grüße", focus=None)
        last = await target.insert(" 漢字 e\u0301", focus=None)
        assert path.read_text() == "Mine. Grüße 漢字 é"
        assert await target.since(last) == "nothing"
        await target.undo(last)
    assert path.read_text() == "Mine. Grüße"


async def test_undo_refuses_when_another_program_has_added_text(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    async with open_target(f"file:{path}", OPTIONS, publish) as target:
        last = await target.insert("Said.", focus=None)
        path.write_text("Said. And written.")
        assert await target.since(last) == "something"
        with pytest.raises(CantUndo, match="changed"):
            await target.undo(last)
    assert path.read_text() == "Said. And written."


async def test_a_new_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    async with open_target(f"file:{path}", OPTIONS, publish):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("to", ["file:{tmp}/none/notes.txt", "file:{tmp}"])
async def test_a_file_that_cannot_be_written_is_an_error_at_the_start(to: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="can't be written"):
        async with open_target(to.format(tmp=tmp_path), OPTIONS, publish):
            pass


@pytest.mark.parametrize("to", ["", "file:", "printer"])
def test_the_error_for_an_unknown_target_names_the_known_ones(to: str) -> None:
    with pytest.raises(UsageError, match="clipboard, stdout, file:PATH"):
        open_target(to, OPTIONS, publish)


async def test_control_characters_do_not_reach_a_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    async with open_target(f"file:{path}", OPTIONS, publish) as target:
        await target.insert("a\x1b]0;title\x07b\x1b[31mc\u202edef\x08g\x00h\u2066i", focus=None)
    assert path.read_text() == "abcdefghi"


NEARLY_FULL = "y" * 1_000_000


async def test_a_full_disk_leaves_no_partial_sentence_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(NEARLY_FULL)
    async with open_target(f"file:{path}", OPTIONS, publish) as target:
        with full_at(len(NEARLY_FULL) + 6), pytest.raises(TargetError, match="can't be written"):
            await target.insert(" This is a whole sentence.", focus=None)
        assert path.read_text() == NEARLY_FULL
        last = await target.insert(" Fits.", focus=None)
        await target.undo(last)
    assert path.read_text() == NEARLY_FULL


async def test_text_that_a_full_disk_refused_on_standard_output_is_not_written_with_later_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notes.txt"
    with path.open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        async with open_target("stdout", OPTIONS, publish) as target:
            await target.insert(NEARLY_FULL, focus=None)
            with full_at(len(NEARLY_FULL) + 6), pytest.raises(TargetError, match="can't be written"):
                await target.insert("It was refused, and is kept.", focus=None)
            await target.insert("Later.", focus=None)
    assert path.read_text() == f"{NEARLY_FULL}\nLater.\n"


async def test_each_insertion_is_a_line_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    async with open_target("stdout", OPTIONS, publish) as target:
        await target.insert("One.", focus=None)
        await target.insert(" Two\x1b[2J.\n", focus=None)
        with pytest.raises(CantUndo):
            await target.undo(await target.insert(" Three.", focus=None))
    assert capfd.readouterr().out == "One.\nTwo.\nThree.\n"


@pytest.mark.parametrize("to", ["type", "clipboard"])
def test_targets_that_macos_lacks_are_an_error(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(TargetError, match="doesn't work on macOS"):
        open_target(to, OPTIONS, publish)
