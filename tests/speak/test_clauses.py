"""Clauses: a text cut into pieces to speak."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.clauses import clauses


def cut(text: str, longest: int, first: int | None = None) -> list[str]:
    return clauses(text, first=first or longest, longest=longest, language="en")


@pytest.mark.parametrize(
    ("text", "longest", "pieces"),
    [
        ("Hello there.", 40, ["Hello there."]),
        ("", 40, []),
        (" \n ", 40, []),
        ("One two. Three four, five six.", 20, ["One two.", "Three four,", "five six."]),
        ("One two three, four five six.", 20, ["One two three,", "four five six."]),
        ("One two three four five six.", 12, ["One two", "three four", "five six."]),
        ('He said "No." Then he left.', 16, ['He said "No."', "Then he left."]),
        ("Then Dr. Smith came home again.", 20, ["Then Dr. Smith came", "home again."]),
        ("It is 3.14159 or so, they say.", 22, ["It is 3.14159 or so,", "they say."]),
        ("aaaaaaaaaaaaaaaaaaaa", 8, ["aaaaaaaa", "aaaaaaaa", "aaaa"]),
        ("你好。我很好，谢谢你。", 6, ["你好。", "我很好，", "谢谢你。"]),
    ],
)
def test_a_text_is_cut_after_a_sentence_else_a_clause_else_a_word(text: str, longest: int, pieces: list[str]) -> None:
    assert cut(text, longest) == pieces


def test_the_first_piece_is_shorter_so_that_it_sounds_soon() -> None:
    assert cut("One, two three four, five six seven.", 36, first=8) == ["One,", "two three four, five six seven."]


@given(st.text(), st.integers(1, 40), st.integers(1, 40))
def test_no_letter_is_lost_and_no_piece_is_too_long(text: str, first: int, longest: int) -> None:
    pieces = cut(text, longest, first)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= longest for piece in pieces[1:])
    assert all(0 < len(piece) <= first for piece in pieces[:1])
