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


def test_a_word_on_which_guesses_do_not_agree_is_settled_when_it_is_old() -> None:
    """Otherwise it would keep all words after it unsettled, and the clips for guesses would grow."""
    stabiliser, words = Stabiliser(), said(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"])
    for number, count in enumerate((4, 7, 10, 12)):
        guess = [words[0], Spoken(f"wrong{number}", words[1].start_s, words[1].end_s), *words[2:count]]
        stabiliser.feed(guess, end_s=guess[-1].end_s)
    assert text_of(stabiliser.shown.committed) == "a wrong3 c"


def test_words_at_the_end_of_a_guess_are_not_settled_yet() -> None:
    stabiliser, words = Stabiliser(), said(["a", "b", "c", "d", "e", "f"])
    stabiliser.feed(words, end_s=words[-1].end_s)
    assert text_of(stabiliser.feed(words, end_s=words[-1].end_s + 0.1).committed) == "a b"


def settled(*texts: str) -> Stabiliser:
    stabiliser, words = Stabiliser(), said(texts)
    for _ in range(2):
        stabiliser.feed(words, end_s=words[-1].end_s, whole=True)
    return stabiliser


def test_settled_words_that_are_heard_differently_are_found_by_their_letters() -> None:
    shown = settled("accept", "this", "entry").feed(said(["this", "entree", "now"], 0.4), end_s=1.6, whole=True)
    assert text_of(shown.words) == "accept this entry now"


def test_no_word_is_lost_when_a_clip_is_heard_without_its_beginning() -> None:
    """The estimated times are wrong then: the words that were heard are spread over the whole clip."""
    heard_late = said(["dial", "one", "if", "you"], 0.4)
    shown = settled("have", "these", "options").feed(heard_late, end_s=2.4, whole=True)
    assert text_of(shown.words) == "have these options dial one if you"


def test_final_words_of_the_end_are_put_behind_the_settled_words_before_them() -> None:
    stabiliser = settled("one", "two", "three", "four", "fife")
    stabiliser.finish(said(["three", "four", "five", "six"], 0.8), start_s=0.8, end_s=2.4)
    assert text_of(stabiliser.shown.committed) == "one two three four five six"
    stabiliser.finish(said(["all", "anew"]), start_s=float("-inf"), end_s=2.4)
    assert text_of(stabiliser.shown.committed) == "all anew"
