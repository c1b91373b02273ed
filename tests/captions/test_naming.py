"""The names of subtitle files: codes of strftime, folders, and numbers where a name is taken."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

from voiceloop.captions.naming import numbered, wanted
from voiceloop.errors import OutputError

BEGAN = datetime(2026, 11, 27, 9, 30, 5).astimezone()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("call.srt", "call.srt"),
        ("meeting-%F-%H%M.srt", "meeting-2026-11-27-0930.srt"),
        ("%Y/call.srt", "2026/call.srt"),
        ("notes/", "notes/captions-2026-11-27-0930.srt"),
        ("there", "there/captions-2026-11-27-0930.srt"),
        ("100%.srt", "100%.srt"),
    ],
)
def test_a_name_may_have_the_time_of_the_start_or_be_a_folder(
    given: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert wanted({"srt": given}, None, BEGAN) == {"srt": Path(name)}


def test_keep_names_a_folder_for_the_formats_without_a_name_of_their_own() -> None:
    names = wanted({"vtt": "mine.vtt"}, "kept", BEGAN)
    stem = "captions-2026-11-27-0930"
    assert names == {"srt": Path(f"kept/{stem}.srt"), "vtt": Path("mine.vtt"), "jsonl": Path(f"kept/{stem}.jsonl")}


def test_the_home_folder_may_be_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert wanted({}, "~/calls", BEGAN)["srt"].parent == tmp_path / "calls"


def test_numbers_stand_before_the_endings() -> None:
    names = [paths["srt"].name for paths in islice(numbered({"srt": Path("a.b.srt")}), 3)]
    assert names == ["a.b.srt", "a.b-2.srt", "a.b-3.srt"]


def test_two_formats_in_one_file_are_refused() -> None:
    with pytest.raises(OutputError, match="named for two formats"):
        wanted({"srt": "call", "vtt": "call"}, None, BEGAN)


def test_a_name_that_no_file_can_have_is_no_folder() -> None:
    name = "a" * 300
    assert wanted({"srt": name}, None, BEGAN) == {"srt": Path(name)}
