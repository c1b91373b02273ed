"""The cleaner of text for terminals: no escapes, no control characters, no hidden or reordered text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.text import Cleaner, clean, clean_line, columns, visible, wrapped

RISKY = st.text(
    st.sampled_from("ab \n\t\r\x1b[]m0;\x07\\\x9b\x9d\x9c\u202e\u2066\u200b\u200d\u200cای\u00adé\ud800\U000e0041👩🏽")
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07text", "text"),
        ("\x1b]8;;https://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("\x1bPq...\x1b\\after", "after"),
        ("\x1b(0lines", "lines"),
        ("bell\x07 back\x08space null\0", "bell backspace null"),
        ("over\rwrite", "overwrite"),
    ],
)
def test_terminal_escapes_are_removed_completely(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@pytest.mark.parametrize("char", ["\u202e", "\u202d", "\u2066", "\u2069", "\u200e", "\u200f", "\u061c"])
def test_characters_that_change_the_reading_direction_are_removed(char: str) -> None:
    assert clean(f"a{char}b") == "ab"


@pytest.mark.parametrize(
    "char", ["\u200b", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u3164", "\U000e0041", "\U000e0100"]
)
def test_invisible_characters_are_removed(char: str) -> None:
    assert clean(f"a{char}b") == "ab"


def test_joiners_stay_where_a_script_needs_them_and_nowhere_else() -> None:
    assert clean("می\u200cخواهم") == "می\u200cخواهم"
    assert clean("👩\u200d🔬") == "👩\u200d🔬"
    assert clean("pass\u200dword\u200c") == "password"
    assert clean("ی\u200c\u200cی") == "یی"


def test_letters_marks_and_newlines_of_all_scripts_stay() -> None:
    text = "Zoë\té\nनमस्ते 日本語 สวัสดี ✓ €5"
    assert clean(text) == text


def test_clean_line_makes_one_line() -> None:
    assert clean_line(" a\n\tb\u2028c ") == "a b c"


def test_an_unfinished_escape_removes_no_more_than_its_line() -> None:
    assert clean("\x1b]0;forever\nnext") == "\nnext"
    assert clean("\x1b]" + "x" * 2_000).startswith("x")


@given(RISKY)
def test_cleaned_text_has_only_visible_characters(text: str) -> None:
    shown = clean(text)
    assert all(visible(char) or char in "\u200c\u200d" for char in shown)
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t" for char in shown)


@given(st.one_of(RISKY, st.text()))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(RISKY, st.data())
def test_cutting_the_text_elsewhere_changes_nothing(text: str, data: st.DataObject) -> None:
    cleaner, shown, rest = Cleaner(), "", text
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        shown += cleaner.feed(rest[:cut])
        rest = rest[cut:]
    assert shown + cleaner.finish() == clean(text)


@given(st.lists(st.text("ab字é", min_size=1, max_size=12), min_size=1), st.integers(10, 80))
def test_a_line_is_wrapped_between_words_and_loses_none(words: list[str], width: int) -> None:
    rows = wrapped(" ".join(words), width)
    assert " ".join(rows).split() == words
    assert all(columns(row) <= width or len(row.split()) == 1 for row in rows)
    assert all(row.startswith("  ") for row in rows[1:])


def test_a_table_row_is_wrapped_below_its_second_column() -> None:
    rows = wrapped("  vad         hybrid (webrtc gate, silero v6.2 decides)", 40)
    assert rows == ["  vad         hybrid (webrtc gate,", "              silero v6.2 decides)"]
    assert wrapped("  vad         hybrid", 20) == ["  vad         hybrid"]
