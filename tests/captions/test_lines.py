"""Lines by number: a reader that says which one it has gets those that follow, each once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.captions.speech import said
from voiceloop.captions.lines import BATCH, Lines
from voiceloop.captions.showing import Final, Live


def final(text: str) -> Final:
    return Final("", tuple(said(text.split())))


def parsed(event: bytes) -> dict[str, Any]:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    state: dict[str, Any] = json.loads(event.removeprefix(b"data: "))
    return state


@given(kept=st.integers(1, 12), steps=st.lists(st.integers(0, 9), max_size=12))
def test_a_reader_gets_every_line_once_or_sees_by_the_numbers_which_are_gone(kept: int, steps: list[int]) -> None:
    """`steps`: how many lines are said before the reader comes back each time."""
    lines, had, got = Lines("s", kept), 0, []
    for step in steps:
        for _ in range(step):
            lines.final(final(f"line {lines.count + 1}"), Live(""))
        event, had = lines.event(had)
        got += [line["id"] for line in parsed(event)["lines"]]
        assert had == lines.count
        assert got[-kept:] == list(range(1, lines.count + 1))[-min(kept, len(got)) :]
    assert got == sorted(set(got))
    assert len(got) >= min(kept, sum(steps))


@given(
    kept=st.integers(1, 8),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.booleans()), max_size=40),
)
def test_a_reader_gets_every_second_line_of_a_line_that_it_has(kept: int, steps: list[tuple[bool, int, bool]]) -> None:
    """`steps`: a line is said, or the second line of an earlier one comes; and the reader comes, or not."""
    lines, had, seen, said_lines = Lines("s", kept), 0, 0, 0
    read: dict[int, str] = {}
    texts: dict[int, str] = {}
    for new, number, comes in [*steps, (True, 1, True)]:
        if new:
            said_lines += 1
            lines.final(replace(final(f"line {said_lines}"), number=said_lines), Live(""))
        elif lines.translated(number, f"second {number}"):
            texts[number] = f"second {number}"
        if not comes:
            continue
        second, seen = lines.seconds(had, seen)
        event, had = lines.event(had)
        for line in parsed(event)["lines"]:
            read[line["id"]] = line.get("second", "")
        if second:
            assert second.startswith(b"event: second\ndata: ")
            read |= {row["id"]: row["text"] for row in json.loads(second.split(b"data: ", 1)[1])}
    assert {number: text for number, text in read.items() if text} == {
        number: text for number, text in texts.items() if number in read
    }


def test_one_event_is_bounded_and_the_next_goes_on() -> None:
    lines = Lines("s")
    for number in range(2 * BATCH + 5):
        lines.final(final(f"line {number + 1}"), Live(""))
    had, sizes = 0, []
    while had < lines.count:
        event, had = lines.event(had)
        sizes.append(len(parsed(event)["lines"]))
        assert parsed(event)["newest"] == lines.count
    assert sizes == [BATCH, BATCH, 5]


def test_readers_who_need_the_same_get_the_same_bytes() -> None:
    lines = Lines("s")
    lines.final(final("one"), Live("", "and", "then"))
    assert lines.event(0)[0] is lines.event(0)[0]
    assert lines.event(1)[0] != lines.event(0)[0]
    before = lines.event(1)[0]
    assert lines.live(Live("", "and", "than"))
    assert not lines.live(Live("", "and", "than"))
    assert lines.event(1)[0] != before


@pytest.mark.parametrize(
    ("after", "number"),
    [
        ("s-2", 2),
        ("s-0", 0),
        ("s-99", 3),
        ("other-2", 0),
        ("", 0),
        ("s-", 0),
        ("s--1", 0),
        ("s-²", 0),
        ("s-1e3", 0),
        ("s-" + "9" * 5000, 0),
    ],
)
def test_the_place_of_a_reader_is_what_it_says_if_that_makes_sense(after: str, number: int) -> None:
    lines = Lines("s")
    for text in ("one", "two", "three"):
        lines.final(final(text), Live(""))
    assert lines.place(after) == number
