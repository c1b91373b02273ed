"""Width of text in terminal columns, and where text may be cut: between grapheme clusters, not code points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.text import chopped, columns, padded, shortened

FAMILY = "👨\u200d👩\u200d👧"
"""Three people joined by ZWJ: one emoji."""


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("abc", 3),
        ("", 0),
        (FAMILY, 2),
        ("👍🏽", 2),  # with a skin tone
        ("❤\ufe0f", 2),  # VS16 makes an emoji of a text character
        ("❤", 1),
        ("🇩🇪", 2),  # a flag: two regional indicators
        ("🇩🇪🇫🇷", 4),
        ("한국어", 6),
        ("\u1112\u1161\u11ab", 2),  # the same syllable as "한", in three letters
        ("e\u0301", 1),  # a combining accent
        ("é", 1),
        ("漢字かな", 8),
        ("ｱ", 1),  # half width
        ("Ａ", 2),  # full width
    ],
)
def test_columns_are_what_a_terminal_shows(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize("text", [FAMILY, "👍🏽", "❤\ufe0f", "🇩🇪", "한"])
def test_no_character_is_cut_in_two(text: str) -> None:
    assert chopped(text * 5, 5) == [text * 2, text * 2, text]
    assert chopped(text * 3, 2) == [text] * 3


def test_a_combining_mark_stays_with_its_letter() -> None:
    assert chopped("e\u0301" * 3, 2) == ["e\u0301e\u0301", "e\u0301"]
    assert chopped("\u0301", 2) == ["\u0301"]


@given(st.text(st.sampled_from("ab 漢한é\u0301❤\ufe0f\u200d👨👩🇩🇪"), max_size=40), st.integers(2, 12))
def test_pieces_fit_and_lose_nothing(text: str, width: int) -> None:
    pieces = chopped(text, width)
    assert "".join(pieces) == text
    assert all(columns(piece) <= width for piece in pieces)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("漢字漢字", 6, "漢字…"),
        (FAMILY * 3, 5, f"{FAMILY * 2}…"),
        ("漢字", 1, "…"),
        ("漢字", 2, "…"),
        ("漢字漢字", 3, "漢…"),
    ],
)
def test_what_is_too_wide_is_cut_to_its_columns(text: str, width: int, shown: str) -> None:
    assert shortened(text, width) == shown
    assert columns(shown) <= width


def test_tables_line_up_whatever_stands_in_them() -> None:
    assert {columns(padded(text, 8)) for text in ("", "abc", "漢字", FAMILY, "e\u0301")} == {8}
    assert padded("longer than that", 4) == "longer than that"
