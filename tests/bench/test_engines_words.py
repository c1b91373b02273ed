"""The engines benchmark: which texts are the same, and which words count as wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engines.words import compare, differences, words_of


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("Please, hold.", "please hold"),
        ("I'm sorry, that's not valid.", "I am sorry. That is not valid"),
        ("You can't. It won't. They don't.", "you cannot it will not they do not"),
        ("Your party’s name", "your party's name"),
        ("Press 2 for the 21st", "press two for the twenty-first"),
        ("At 7:30 or 7:05", "at seven thirty, or seven oh five"),
        ("the 12th, 8th, 40th and 100th", "the twelfth, eighth, fortieth and one hundredth"),
        ("3.5 % of 1,250", "three point five percent of one thousand two hundred and fifty"),
        ("$5 & €3", "five dollars and three euros"),
        ("in 1905 and 1775", "in nineteen oh five and seventeen seventy five"),
        ("dial 500", "dial five zero zero"),
        ("dial 500", "Dial five hundred."),
        ("007", "zero zero seven"),
        ("press # or *", "press pound or star"),
        ("log-in to voice mail", "login to voicemail"),
        ("the P.B.X. at 5 p.m.", "the PBX at five PM"),
        ("www.asterisk.org", "www dot asterisk dot org"),
        ("OK, cancelled", "Okay. Canceled."),
    ],
)
def test_writing_is_not_an_error(said: str, heard: str) -> None:
    assert compare(said, heard).errors == 0
    assert compare(heard, said).errors == 0


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("please hold", "please told", ["hold → told"]),
        ("please hold", "please", ["hold → -"]),
        ("please hold", "please hold on", ["- → on"]),
        ("the party's name", "the parties name", ["partys → parties"]),
        ("press 2", "press to", ["two → to"]),
        ("", "you", ["- → you"]),
        ("a b c d e", "c d e f g", ["a → -", "b → -", "- → f", "- → g"]),
        ("one two three", "", ["one → -", "two → -", "three → -"]),
        ("bread and butter", "bread butter", ["and → -"]),
        ("he cannot", "he can", ["not → -"]),
    ],
)
def test_a_word_that_was_replaced_lost_or_added_is_one_error(said: str, heard: str, wrong: list[str]) -> None:
    assert list(map(str, compare(said, heard).differences)) == wrong


def test_the_share_is_of_the_words_that_were_said() -> None:
    assert compare("Dial 21 now.", "dial now").words == 4


def test_numbers_of_several_words_may_be_written_as_one() -> None:
    assert words_of("1,000,000") == ("one", "million")
    assert words_of("2026") == ("two", "thousand", "twenty", "six")
    assert words_of("H.323", by_digit=True) == ("h", "three", "two", "three")


def distance(a: list[str], b: list[str]) -> int:
    """The Levenshtein distance, as it is defined."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return distance(a[1:], b[1:])
    return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))


few = st.lists(st.sampled_from(["to", "be", "or", "not"]), max_size=5)
texts = st.lists(st.sampled_from(["a", "ab", "b", "c", "ba", "cab"]), max_size=8)


@given(few, few)
def test_without_words_that_can_be_joined_the_errors_are_the_levenshtein_distance(a: list[str], b: list[str]) -> None:
    assert len(differences(a, b)) == distance(a, b)


@given(texts, texts)
def test_it_does_not_matter_which_text_was_said(a: list[str], b: list[str]) -> None:
    assert len(differences(a, b)) == len(differences(b, a))
    assert all(difference.said != difference.heard for difference in differences(a, b))


@given(texts, st.integers(0, 8), st.sampled_from(["x", "yz"]))
def test_one_strange_word_more_is_one_error_more(said: list[str], at: int, strange: str) -> None:
    heard = [*said[:at], strange, *said[at:]]
    assert [str(difference) for difference in differences(said, heard)] == [f"- → {strange}"]
