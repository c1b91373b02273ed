"""Starting anew: how often it may, and what lives on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voiceloop.cli import anew
from voiceloop.control.attention import Attention
from voiceloop.control.kept import NOTHING, Kept
from voiceloop.errors import StartAnew
from voiceloop.types import Message

NOW = 100_000.0


def ignore(_: str, /, **__: object) -> None: ...


@pytest.fixture(autouse=True)
def own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the tests' own process, which goes on, stay open to its children."""
    monkeypatch.setattr(anew, "_given", anew._open_files())


KEPT = Kept((Message("user", "what time is it"), Message("assistant", "Noon.")), Attention(listening=False), "path")


@pytest.mark.parametrize(
    ("earlier", "may"),
    [
        ([], True),
        ([NOW - 9], False),
        ([NOW - 10], True),
        ([NOW - 500 * n for n in range(1, 5)], True),
        ([NOW - 500 * n for n in range(1, 6)], False),
        ([NOW - 3600 - 500 * n for n in range(1, 9)], True),
        ([NOW + 5000], True),  # the clock was set back
    ],
)
def test_it_starts_anew_once_in_ten_seconds_and_five_times_in_an_hour(earlier: list[float], *, may: bool) -> None:
    assert anew.allowed(earlier, NOW) is may


def test_what_cannot_be_read_as_a_time_does_not_count() -> None:
    assert anew.times("12 x 34.5  ") == [12.0, 34.5]


@pytest.mark.parametrize("kept", [KEPT, NOTHING, Kept(attention=Attention(muted=True, asleep=True))])
def test_what_lives_on_comes_back_as_it_was(kept: Kept) -> None:
    assert Kept.of(kept.values()) == kept


@pytest.mark.parametrize(
    "values", [None, {}, {"history": [{"x": 1}]}, {"attention": {"loud": True}}, {"history": 5}, []]
)
def test_of_damaged_values_nothing_lives_on(values: object) -> None:
    assert Kept.of(values) == NOTHING  # type: ignore[arg-type]


def test_the_new_process_gets_what_lives_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, list[str]]] = []
    monkeypatch.setenv("VOICELOOP_STARTED_ANEW", "")
    monkeypatch.setenv("VOICELOOP_HANDED_OVER", "")
    monkeypatch.setattr(os, "execv", lambda path, words: started.append((path, words)))
    anew.start(StartAnew("it hangs", kept=KEPT.values()))
    assert len(started) == 1
    notices: list[str] = []

    def publish(_: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    assert anew.handed_over(publish) == KEPT
    assert anew.handed_over(publish) is NOTHING
    assert len(notices) == 1
    anew.start(StartAnew("it hangs", kept=KEPT.values()))  # too soon
    assert len(started) == 1


def test_it_may_not_start_anew_where_that_would_overwrite_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICELOOP_STARTED_ANEW", "")
    monkeypatch.setattr(os, "execv", lambda _path, _words: pytest.fail("it has started anew"))
    anew.start(StartAnew("it hangs", kept=None))


def test_what_was_opened_meanwhile_is_closed_and_what_was_given_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the sound server keeps streams that nobody reads."""
    monkeypatch.setenv("VOICELOOP_STARTED_ANEW", "")
    monkeypatch.setattr(os, "execv", lambda _path, _words: None)
    given, opened = os.pipe()
    os.close(opened)
    os.set_inheritable(given, True)
    monkeypatch.delenv("VOICELOOP_HANDED_OVER", raising=False)
    anew.handed_over(ignore)
    ours, other = os.pipe()
    for number in (ours, other):
        os.set_inheritable(number, True)
    anew.start(StartAnew("it hangs", kept={}))
    try:
        assert [os.get_inheritable(number) for number in (given, ours, other)] == [True, False, False]
        assert os.get_inheritable(int(os.environ["VOICELOOP_HANDED_OVER"]))
    finally:
        monkeypatch.delenv("VOICELOOP_HANDED_OVER")
        for number in (given, ours, other):
            os.close(number)


@pytest.mark.parametrize("number", ["", "x", "9999", "-1"])
def test_a_variable_that_came_from_elsewhere_hands_nothing_over(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICELOOP_HANDED_OVER", number)
    assert anew.handed_over(ignore) is NOTHING


def test_a_file_that_is_no_memory_of_ours_hands_nothing_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"\xff{")
    handle = os.open(tmp_path / "x", os.O_RDONLY)
    monkeypatch.setenv("VOICELOOP_HANDED_OVER", str(handle))
    assert anew.handed_over(ignore) is NOTHING
