"""The captions benchmark: its measures, and the server that gives the exact words of a clip cut from its track."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.captions.material import Material
from bench.captions.measures import Moment, changes, score, watch
from bench.captions.mistakes import Mistakes, mistakes
from bench.captions.recognised import longest_without_update
from bench.endpoint.material import Word
from testbed.server.track import Track, TrackWord
from voiceloop.audio.wav import wav_bytes

RATE = 16_000


def moment(at_s: float, text: str, *, sure: int = 0, final: int = 0) -> Moment:
    return Moment(at_s, tuple(text.split()), sure, final)


def test_the_wait_for_a_word_runs_from_its_end_to_when_it_was_first_shown() -> None:
    said = [("Please", 1.0), ("hold.", 1.5)]
    found = score(said, [moment(1.5, "please"), moment(2.5, "please hold")], ["please", "hold"])
    assert list(found.waits_s) == [0.5, 1.0]
    assert (found.lost, found.added, found.changed) == (0, 0, 0)
    assert found.wait_s(0.95) == 1.0


def test_a_word_counts_as_shown_although_a_word_before_it_was_heard_as_two() -> None:
    said = [("cannot", 1.0), ("hold", 1.5)]
    found = score(said, [moment(2.0, "can not hold"), moment(9.0, "cannot hold")], ["cannot", "hold"])
    assert list(found.waits_s) == [8.0, 0.5]


def test_lost_and_repeated_words_are_counted() -> None:
    said = [(word, 1.0) for word in ["one", "two", "three", "four"]]
    found = score(said, [], ["one", "three", "three", "four", "five"])
    assert (found.lost, found.added) == (1, 2)


def test_shown_words_that_change_or_vanish_are_counted_and_new_words_are_not() -> None:
    assert changes([moment(1, "please hole"), moment(2, "please hold your")]) == 1
    assert changes([moment(1, "a b c"), moment(2, "a b")]) == 1
    assert changes([moment(1, "b c"), moment(2, "a b c")]) == 0


def test_the_screen_shows_the_final_words_and_the_live_words() -> None:
    events: list[dict[str, Any]] = [
        {"event": "captions.began", "at": 100.0, "time": 100.5},
        {"event": "caption.live", "time": 102.0, "sure": "Please", "unsure": "hold"},
        {"event": "caption.final", "time": 103.0, "text": "Please, hold."},
        {"event": "caption.live", "time": 103.0, "sure": "", "unsure": ""},
    ]
    watched = watch(events)
    assert watched.moments == [moment(2.0, "please hold", sure=1), moment(3.0, "please hold", sure=2, final=2)]
    assert watched.finals == ("please", "hold")


@pytest.mark.parametrize(
    ("heard", "wrong", "missing", "repeated"),
    [
        ("One, two three four!", 0, 0, 0),
        ("one three four", 1, 1, 0),
        ("one to three four", 1, 0, 0),
        ("one two two three four", 1, 0, 1),
        ("one two three two three four", 2, 0, 2),
        ("one two three four five", 1, 0, 0),
        ("", 4, 4, 0),
    ],
)
def test_other_missing_and_repeated_words_are_told_apart(heard: str, wrong: int, missing: int, repeated: int) -> None:
    found = mistakes(["One,", "two", "three", "four."], heard.split())
    assert found == Mistakes(4, wrong, missing, repeated)


def test_the_longest_time_without_an_update_counts_only_while_somebody_speaks() -> None:
    made = Material(words=[Word("a", 0, RATE), Word("b", RATE, 2 * RATE), Word("c", 9 * RATE, 10 * RATE)])
    assert longest_without_update(made, [0.5, 1.9, 9.2]) == pytest.approx(1.4)
    assert longest_without_update(made, [1.9]) == pytest.approx(1.9)


@pytest.mark.parametrize(
    ("start_s", "end_s", "text"),
    [(0, 3, "one two three"), (0.45, 2.6, "one two three"), (0.55, 2.4, "two"), (2.9, 3, ""), (1.2, 1.9, "two")],
)
def test_the_transcript_of_a_clip_has_the_words_of_which_more_than_half_is_in_it(
    start_s: float, end_s: float, text: str
) -> None:
    pcm = (np.random.default_rng(1).standard_normal(3 * RATE) * 3000).astype("<i2").tobytes()
    words = [TrackWord(word, at * RATE, (at + 1) * RATE) for at, word in enumerate(["one", "two", "three"])]
    track = Track(pcm, RATE, words)
    clip = pcm[2 * round(start_s * RATE) : 2 * round(end_s * RATE)]
    assert track.hear(wav_bytes(clip, RATE)) == text


def test_a_clip_that_is_not_from_the_track_has_an_empty_transcript() -> None:
    track = Track(bytes(RATE * 2), RATE, [TrackWord("one", 0, RATE)])
    noise = (np.random.default_rng(2).standard_normal(RATE) * 3000).astype("<i2").tobytes()
    assert track.hear(wav_bytes(noise, RATE)) == ""
