"""The mark on written files: any edit is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.errors import OutputError
from voiceloop.service.marks import Found, found_at, is_unchanged, marked, put, take_away


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0), st.binary(min_size=1, max_size=3))
def test_a_changed_byte_is_noticed_wherever_it_is(text: str, at: int, inserted: bytes) -> None:
    data = marked(text, "Advice.")
    assert is_unchanged(data)
    body = data.index(b"\n") + 1
    place = body + at % (len(data) - body + 1)
    assert not is_unchanged(data[:place] + inserted + data[place:])


def test_what_is_at_a_path_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a" / "x.service"
    assert found_at(path) is Found.NOTHING
    assert put(path, marked("[Unit]\n", "")) is True
    assert found_at(path) is Found.OURS
    assert put(path, marked("[Unit]\n", "")) is False
    path.write_text("[Unit]\n")
    assert found_at(path) is Found.EDITED
    take_away(path)
    for target in (tmp_path / "nothing", Path("/dev/null")):
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        assert found_at(path) is Found.EDITED
    assert put(path, marked("[Unit]\n", "")) is True
    assert found_at(path) is Found.OURS
    take_away(path)
    take_away(path)
    assert found_at(path) is Found.NOTHING


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "systemd").write_text("")
    path = tmp_path / "systemd" / "user" / "x.service"
    with pytest.raises(OutputError, match=str(path)):
        put(path, b"")
    with pytest.raises(OutputError, match=str(path)):
        found_at(path)
