"""Joiner: joins overlapping pieces of long speech without losing or repeating a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.captions.speech import WORD_S, heard, said, sentences
from voiceloop.captions.joiner import Joiner, joined
from voiceloop.captions.words import Spoken, text_of


def keys(words: list[Spoken]) -> list[str]:
    return [word.key for word in words]


@given(words=sentences, cuts=st.lists(st.floats(0, 16), max_size=4), overlap_s=st.floats(1.0, 2.0))
def test_however_speech_is_cut_the_words_come_out_as_they_were_said(
    words: list[str], cuts: list[float], overlap_s: float
) -> None:
    truth = said(words)
    end_s = truth[-1].end_s
    edges = sorted({cut for cut in cuts if 2.5 < cut < end_s - 0.1} | {end_s})
    edges = [edge for at, edge in enumerate(edges) if edge == end_s or edges[at + 1] - edge > 2.5]
    joiner, out, begin_s = Joiner(), [], 0.0
    for edge in edges:
        overlaps = overlap_s if edge < end_s else 0.0
        out += joiner.feed(heard(truth, begin_s, edge), start_s=begin_s, end_s=edge, overlap_s=overlaps)
        begin_s = edge - overlap_s
    assert keys(out) == words
    assert not joiner.held


def test_a_word_torn_by_the_cut_is_taken_from_the_piece_that_has_all_of_it() -> None:
    before = [*said(["please", "hold", "your"]), Spoken("im", 1.2, 1.4)]
    after = said(["hold", "your", "important", "call"], WORD_S)
    assert text_of(joined(before, after, start_s=0.4, end_s=1.4)) == "please hold your important call"


def test_a_torn_word_at_the_beginning_of_the_next_piece_is_dropped() -> None:
    before = said(["one", "two", "three", "please", "hold"])
    after = [Spoken("ee", 1.0, 1.2), *said(["please", "hold", "the", "call"], 3 * WORD_S)]
    assert text_of(joined(before, after, start_s=1.0, end_s=2.0)) == "one two three please hold the call"


def test_where_the_pieces_differ_the_times_decide() -> None:
    before = said(["one", "two", "three", "four"])
    after = said(["free", "fore", "five", "six"], 2 * WORD_S)
    assert text_of(joined(before, after, start_s=0.8, end_s=1.6)) == "one two three fore five six"


def test_repeated_words_are_told_apart_by_their_times() -> None:
    truth = said(["no", "no", "no", "no", "no", "no"])
    before, after = heard(truth, 0, 1.6), heard(truth, 1.2, 2.4)
    assert text_of(joined(before, after, start_s=1.2, end_s=1.6)) == "no no no no no no"


def test_words_in_the_overlap_are_held_back_until_the_next_piece_is_known() -> None:
    joiner = Joiner()
    words = said(["the", "call", "is", "important", "to", "us", "and", "we", "say", "that"])
    out = joiner.feed(words, start_s=0, end_s=4.0, overlap_s=1.0)
    assert [*out, *joiner.held] == words
    assert joiner.held[0].start_s <= 3.0
    assert joiner.release() == words[len(out) :]


def test_pieces_without_an_overlap_are_put_one_after_the_other() -> None:
    joiner = Joiner()
    out = joiner.feed(said(["one", "two"]), start_s=0, end_s=1.0)
    out += joiner.feed(said(["two", "three"], 1.0), start_s=1.0, end_s=2.0)
    assert text_of(out) == "one two two three"
