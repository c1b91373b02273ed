"""Subtitles: words are cut into cues, and the files are valid after every cue."""

from __future__ import annotations

from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from tests.captions.speech import said
from voiceloop.captions.cues import LINE_COLUMNS, LINES, LONGEST_S, SHORTEST_S, Cue, CueCutter
from voiceloop.captions.formats import VTT_HEAD
from voiceloop.captions.formats import srt as as_srt
from voiceloop.captions.formats import vtt as as_vtt
from voiceloop.captions.words import Spoken, spoken, text_of
from voiceloop.text import columns
from voiceloop.types import Transcript, Utterance


def read_srt(text: str) -> list[Any]:
    found: list[Any] = list(srt.parse(text))  # type: ignore[no-untyped-call]
    return found


words = st.lists(
    st.builds(
        lambda text, mark: f"{text}{mark}",
        st.text("abcdefghijklmnopqrstuvwxyz字幕", min_size=1, max_size=60),
        st.sampled_from(["", "", "", ",", ".", "?"]),
    ),
    min_size=1,
    max_size=60,
)


@given(words, st.integers(1, 60))
def test_cues_keep_every_word_and_the_guidelines(texts: list[str], cut: int) -> None:
    cutter, truth = CueCutter(), said(texts)
    cues = [cue for part in (truth[:cut], truth[cut:]) if part for cue in cutter.cut(part)]
    assert "".join("".join(cue.lines) for cue in cues).replace(" ", "") == "".join(texts)
    for cue in cues:
        assert len(cue.lines) <= LINES
        assert all(columns(line) <= LINE_COLUMNS for line in cue.lines)
        assert 0 < cue.end_s - cue.start_s <= LONGEST_S
    for before, after in pairwise(cues):
        assert before.end_s <= after.start_s


word_rows = st.lists(
    # The length of a word, the silence after it, and whether it is the last of the words that become final together.
    st.tuples(st.floats(0.1, 12), st.one_of(st.just(0.0), st.floats(0, 3)), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(word_rows, st.booleans())
def test_cues_begin_with_their_words_and_never_overlap(rows: list[tuple[float, float, bool]], known: bool) -> None:
    cutter, at_s = CueCutter(), 0.0
    cues: list[Cue] = []
    begun: list[float] = []
    final: list[Spoken] = []
    for number, (long_s, quiet_s, last) in enumerate(rows):
        final.append(Spoken(f"w{number}", at_s, at_s + long_s))
        begun.append(at_s)
        at_s += long_s + quiet_s
        if last or number + 1 == len(rows):
            cues += cutter.cut(final, next_s=at_s) if known else cutter.cut(final)
            final = []
    assert " ".join(cue.text for cue in cues).split() == [f"w{number}" for number in range(len(rows))]
    for cue in cues:
        late_s = cue.start_s - begun[int(cue.text.split()[0][1:])]
        assert 0 <= late_s <= (1e-6 if known else SHORTEST_S)
        assert 0 < cue.end_s - cue.start_s <= LONGEST_S + 1e-6
    for before, after in pairwise(cues):
        assert before.end_s <= after.start_s


def test_short_words_that_are_final_one_by_one_are_not_shown_later_and_later() -> None:
    cutter = CueCutter()
    cues = [cue for at in range(75) for cue in cutter.cut([Spoken(f"{at}.", at * 0.8, at * 0.8 + 0.25)])]
    assert max(cue.start_s - at * 0.8 for at, cue in enumerate(cues)) == pytest.approx(0.2)


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    (cue,) = CueCutter().cut([Spoken("Yes.", 5.0, 5.2)])
    assert cue.end_s - cue.start_s == 1.0


def test_two_lines_are_about_equally_long() -> None:
    (cue,) = CueCutter().cut(
        said(["please", "hold", "the", "line", "while", "we", "try", "to", "put", "you", "through", "to", "it"])
    )
    assert abs(columns(cue.lines[0]) - columns(cue.lines[1])) <= 10


def test_with_the_name_of_the_source_no_line_is_too_long() -> None:
    cues = CueCutter("speaker").cut(said(["extension"] * 30))
    rows = "".join(as_srt(cue, 1) for cue in cues).splitlines()
    assert max(map(columns, rows)) <= LINE_COLUMNS


def test_a_pause_ends_a_cue() -> None:
    first, second = CueCutter().cut([*said(["one", "two"]), *said(["three"], 3.0)])
    assert (first.text, second.text) == ("one two", "three")


NASTY = "ls\n\x1b]0;x\x07\u202eevil <script>alert(1)</script> {\\an8} --> & <b>"


def nasty_cues(source: str = "") -> list[Cue]:
    return CueCutter(source).cut(spoken(Transcript(NASTY, Utterance(bytes(64_000), 0, 0))))


def test_no_tag_and_no_control_character_reaches_a_subtitle_file() -> None:
    cues = nasty_cues("mic")
    as_one = "".join(as_srt(cue, at + 1) for at, cue in enumerate(cues))
    (first, *_) = read_srt(as_one)
    assert first.content.startswith("[mic] ls evil ‹script›")
    assert not any(char in as_one for char in "<{\x1b\u202e\x07")
    assert as_one.count("-->") == len(cues)
    page = VTT_HEAD + "".join(as_vtt(cue, at + 1) for at, cue in enumerate(cues))
    assert "<script" not in page
    assert page.count("-->") == len(cues)
    parsed = webvtt.from_buffer(StringIO(page))
    assert len(parsed) == len(cues)


def test_the_text_of_a_cue_is_what_was_said() -> None:
    truth = said(["one", "two", "three"])
    assert text_of(truth) == CueCutter().cut(truth)[0].text


def test_what_is_left_of_a_cue_that_is_cut_after_a_clause_fits_with_the_next_word_or_stands_alone() -> None:
    texts = ["One", "two", "three,", "New", "x" * 42, "y" * 42, "end."]
    words = [Spoken(text, at / 2, at / 2 + 0.4) for at, text in enumerate(texts)]
    cues = CueCutter().cut(words)
    assert " ".join(cue.text for cue in cues) == " ".join(texts)
    assert all(len(cue.lines) <= 2 and max(map(columns, cue.lines)) <= 42 for cue in cues)
