"""Stabiliser: words on which two successive guesses agree stay as they are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.captions.speech import WORD_S, heard, said, sentences
from voiceloop.captions.stabiliser import Stabiliser
from voiceloop.captions.words import Spoken, text_of

booleans = st.booleans()


@given(sentences, st.lists(st.floats(0.1, 3), min_size=1, max_size=12), st.data())
def test_committed_words_never_change(words: list[str], steps: list[float], data: st.DataObject) -> None:
    truth = said(words)
    stabiliser, end_s = Stabiliser(), 0.0
    before: tuple[Spoken, ...] = ()
    for step in steps:
        end_s += step
        guess = heard(truth, 0, end_s)
        wrong: bool = data.draw(booleans)
        if guess and wrong:  # make one word of the guess wrong
            at = data.draw(st.integers(0, len(guess) - 1))
            guess[at] = Spoken("wrong", guess[at].start_s, guess[at].end_s)
        whole: bool = data.draw(booleans)
        shown = stabiliser.feed(guess, end_s=end_s, whole=whole)
        assert shown.committed[: len(before)] == before
        before = shown.committed


@given(sentences, st.lists(st.floats(0.1, 3), min_size=1, max_size=12))
def test_while_all_guesses_are_right_no_shown_word_changes(words: list[str], steps: list[float]) -> None:
    truth = said(words)
    stabiliser, end_s = Stabiliser(), 0.0
    for step in steps:
        end_s += step
        shown = stabiliser.feed(heard(truth, 0, end_s), end_s=end_s)
        assert [word.key for word in shown.words] == words[: len(shown.words)]


@given(sentences, st.lists(st.floats(0.3, 2), min_size=3, max_size=14))
def test_guesses_that_cover_only_the_end_continue_after_the_committed_words(
    words: list[str], steps: list[float]
) -> None:
    truth = said(words)
    stabiliser, start_s, end_s = Stabiliser(), 0.0, 0.0
    for step in steps:
        end_s += step
        shown = stabiliser.feed(heard(truth, start_s, end_s), end_s=end_s, whole=end_s >= truth[-1].end_s)
        assert [word.key for word in shown.words] == words[: len(shown.words)]
        if stabiliser.committed_s is not None:
            start_s = max(start_s, stabiliser.committed_s - 2 * WORD_S)


def test_the_last_word_waits_for_the_next_one_unless_there_is_a_pause() -> None:
    words = said(["please", "hold", "your", "call"])
    assert text_of(Stabiliser().feed(words, end_s=1.7).words) == "please hold your"
    assert text_of(Stabiliser().feed(words, end_s=1.7, whole=True).words) == "please hold your call"


def test_a_guess_that_arrives_after_a_newer_one_is_ignored() -> None:
    stabiliser = Stabiliser()
    newer = stabiliser.feed(said(["one", "two", "three"]), end_s=2.0)
    assert stabiliser.feed(said(["none"]), end_s=1.0) == newer
