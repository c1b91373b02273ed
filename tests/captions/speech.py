"""Words spoken at known times, and the words that a recogniser would find in a clip of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from voiceloop.captions.words import Spoken

WORD_S = 0.4
VOCABULARY = "the of and to in we say that this goes round one two three please hold your call is important"


def said(words: Sequence[str], start_s: float = 0.0, *, off_s: float = 0.0) -> list[Spoken]:
    """The words one after the other, each WORD_S long; `off_s` is an error added to their times."""
    return [
        Spoken(word, start_s + at * WORD_S + off_s, start_s + (at + 1) * WORD_S + off_s)
        for at, word in enumerate(words)
    ]


def heard(words: Sequence[Spoken], start_s: float, end_s: float) -> list[Spoken]:
    """The words in the clip between these times: those with more than half of their length in it."""
    return [w for w in words if min(w.end_s, end_s) - max(w.start_s, start_s) > (w.end_s - w.start_s) / 2]


sentences = st.lists(st.sampled_from(VOCABULARY.split()), min_size=1, max_size=40).map(
    # Words that are repeated without anything between them can't be told apart by their text.
    lambda words: [word for at, word in enumerate(words) if at < 1 or word != words[at - 1]]
)
