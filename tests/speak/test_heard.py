"""How much of a reply was heard, by the samples that were played."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.heard import Span, heard
from voiceloop.types import Heard

SPANS = [Span("The first sentence is here.", 0, 1000), Span("And the second.", 1000, 1500)]


def up_to(position: int) -> Heard:
    return heard(SPANS, lambda start, end: max(0, min(position, end) - start))


def test_all_of_it_is_heard_when_all_was_played() -> None:
    assert up_to(1500) == Heard("The first sentence is here. And the second.", complete=True)


def test_nothing_is_heard_before_it_plays() -> None:
    assert up_to(0) == Heard("", complete=False)


def test_of_a_chunk_that_was_played_in_part_whole_words_count_as_heard() -> None:
    assert up_to(500).text == "The first"
    assert up_to(1000).text == "The first sentence is here."
    assert up_to(1300).text == "The first sentence is here. And the"


def test_of_a_single_word_that_was_played_in_part_nothing_counts_as_heard() -> None:
    assert heard([Span("Certainly.", 0, 100)], lambda start, end: 50) == Heard("", complete=False)


def test_scripts_without_spaces_are_cut_anywhere() -> None:
    assert heard([Span("今日は天気がいいです", 0, 100)], lambda s, e: 50) == Heard("今日は天気", complete=False)


@given(st.integers(0, 1500), st.integers(0, 1500))
def test_the_text_heard_only_grows_as_more_is_played(a: int, b: int) -> None:
    low, high = sorted((a, b))
    assert up_to(high).text.startswith(up_to(low).text)


def test_chunks_of_a_script_without_spaces_are_joined_without_one() -> None:
    spans = [Span("今日は天気がいいです。", 0, 100), Span("明日も。", 100, 200)]
    assert heard(spans, lambda start, end: end - start).text == "今日は天気がいいです。明日も。"
