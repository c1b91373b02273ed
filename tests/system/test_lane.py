"""The queue of bytes with a thread that writes it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from voiceloop.system.lane import BOUND, Lane


def no_failure(error: OSError) -> None:
    raise AssertionError(error)


def test_one_long_piece_is_never_too_much() -> None:
    written: list[bytes] = []
    lane = Lane[bytes](written.extend, lambda _: None, no_failure)
    assert lane.put(b"x" * (2 * BOUND))
    lane.end()
    assert lane.ended(60)
    assert sum(map(len, written)) == 2 * BOUND


def test_what_is_being_written_counts_as_waiting_and_its_time_is_known() -> None:
    writing, answers = threading.Event(), threading.Event()

    def write(_: object) -> None:
        writing.set()
        answers.wait()

    lane = Lane[bytes](write, lambda _: None, no_failure)
    assert (lane.wait_until_empty(), lane.writing_s()) == (True, 0.0)
    lane.put(b"x")
    writing.wait()
    assert not lane.wait_until_empty(0)
    assert lane.writing_s() > 0
    lane.end()
    assert not lane.ended(0)
    answers.set()
    assert lane.ended(60)


def test_what_is_always_added_is_written_though_too_much_waits_and_the_gap_is_told_after_it() -> None:
    written: list[bytes] = []
    writing, answers = threading.Event(), threading.Event()

    def write(pieces: Sequence[bytes]) -> None:
        writing.set()
        answers.wait()
        written.extend(pieces)

    lane = Lane[bytes](write, lambda count: b"%d dropped" % count, no_failure)
    lane.put(b"x")
    writing.wait()
    assert lane.put(b"y" * (BOUND - 1))
    assert not lane.put(b"dropped")
    assert lane.put(b"settled", always=True)
    assert not lane.put(b"dropped, too")
    answers.set()
    assert lane.wait_until_empty(60)
    assert [piece[:9] for piece in written] == [b"x", b"y" * 9, b"settled", b"2 dropped"]
    lane.end()
    assert lane.ended(60)
    assert not lane.put(b"settled", always=True), "nothing is written any more"


@pytest.mark.parametrize("where", ["write", "close"])
def test_an_error_is_told_before_anybody_hears_that_nothing_waits(where: str) -> None:
    failed: list[OSError] = []

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write, close = (fail, lambda: None) if where == "write" else (lambda _: None, fail)
    lane = Lane[bytes](write, lambda _: None, failed.append, close)
    lane.put(b"x")
    assert lane.wait_until_empty(60)
    if where == "write":
        assert len(failed) == 1
        assert not lane.put(b"y")
    lane.end()
    assert lane.ended(60)
    assert len(failed) == 1
