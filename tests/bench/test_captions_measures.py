"""What captions are measured by, and the server that hears exactly what was cut from a track."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.captions.measures import Moment, changes, score, watch
from testbed.server.track import Track, TrackWord
from voiceloop.audio.wav import wav_bytes

RATE = 16_000


def moment(at_s: float, text: str) -> Moment:
    return Moment(at_s, tuple(text.split()))


def test_a_word_is_late_by_the_time_from_its_end_to_when_it_was_first_shown() -> None:
    said = [("Please", 1.0), ("hold.", 1.5)]
    found = score(said, [moment(1.5, "please"), moment(2.5, "please hold")], ["please", "hold"])
    assert list(found.waits_s) == [0.5, 1.0]
    assert (found.lost, found.added, found.changed) == (0, 0, 0)
    assert found.wait_s(0.95) == 1.0


def test_words_that_are_lost_or_said_twice_are_counted() -> None:
    said = [(word, 1.0) for word in ["one", "two", "three", "four"]]
    found = score(said, [], ["one", "three", "three", "four", "five"])
    assert (found.lost, found.added) == (1, 2)


def test_shown_words_that_change_or_go_away_are_counted_and_words_that_come_are_not() -> None:
    assert changes([moment(1, "please hole"), moment(2, "please hold your")]) == 1
    assert changes([moment(1, "a b c"), moment(2, "a b")]) == 1
    assert changes([moment(1, "b c"), moment(2, "a b c")]) == 0


def test_finals_and_live_words_together_are_what_is_shown() -> None:
    events: list[dict[str, Any]] = [
        {"event": "captions.began", "at": 100.0, "time": 100.5},
        {"event": "caption.live", "time": 102.0, "sure": "Please", "unsure": "hold"},
        {"event": "caption.final", "time": 103.0, "text": "Please, hold."},
        {"event": "caption.live", "time": 103.0, "sure": "", "unsure": ""},
    ]
    watched = watch(events)
    assert watched.moments == [moment(2.0, "please hold"), moment(3.0, "please hold")]
    assert watched.finals == ("please", "hold")


@pytest.mark.parametrize(
    ("start_s", "end_s", "text"),
    [(0, 3, "one two three"), (0.45, 2.6, "one two three"), (0.55, 2.4, "two"), (2.9, 3, ""), (1.2, 1.9, "two")],
)
def test_a_clip_of_a_track_is_heard_as_the_words_more_than_half_of_which_are_in_it(
    start_s: float, end_s: float, text: str
) -> None:
    pcm = (np.random.default_rng(1).standard_normal(3 * RATE) * 3000).astype("<i2").tobytes()
    words = [TrackWord(word, at * RATE, (at + 1) * RATE) for at, word in enumerate(["one", "two", "three"])]
    track = Track(pcm, RATE, words)
    clip = pcm[2 * round(start_s * RATE) : 2 * round(end_s * RATE)]
    assert track.hear(wav_bytes(clip, RATE)) == text


def test_what_is_not_from_the_track_is_not_heard() -> None:
    track = Track(bytes(RATE * 2), RATE, [TrackWord("one", 0, RATE)])
    noise = (np.random.default_rng(2).standard_normal(RATE) * 3000).astype("<i2").tobytes()
    assert track.hear(wav_bytes(noise, RATE)) == ""
