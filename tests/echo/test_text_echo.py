"""The text guard: tells a transcript of the reply's own echo from a user's answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.echo.text_echo import Audible, repeats

REPLY = (
    "Thank you for waiting. Your appointment is on Monday at three, with Doctor Meyer. "
    "Shall I send you the address, or would you like another day?"
)
GERMAN = "Der nächste Zug nach Köln fährt um zwölf Uhr dreißig von Gleis sieben. Soll ich eine Fahrkarte buchen?"
JAPANESE = "明日の東京の天気は晴れで、最高気温は二十五度です。傘は必要ありません。"


@pytest.mark.parametrize(
    ("transcript", "audible"),
    [
        ("Your appointment is on Monday at three", REPLY),
        ("thank you for waiting your appointment", REPLY),
        ("you're appointment is on Monday at free with doctor Mayer", REPLY),
        ("point meant is on Monday at three with doctor Meyer", REPLY),
        ("shall I send you the a dress", REPLY),
        ("would you like another day", REPLY),
        ("Zug nach Köln fährt um zwölf", GERMAN),
        ("der nachste Zug nach Koln", GERMAN),
        ("東京の天気は晴れで", JAPANESE),
    ],
)
def test_a_piece_of_the_reply_is_an_echo_even_when_misrecognised(transcript: str, audible: str) -> None:
    assert repeats(transcript, audible)


@pytest.mark.parametrize(
    ("transcript", "audible"),
    [
        ("", REPLY),
        ("Monday", REPLY),
        ("yes please", REPLY),
        ("on Monday", REPLY),
        ("another day", REPLY),
        ("stop", REPLY),
        ("Wait, I can't on Monday, is Tuesday free?", REPLY),
        ("No, send it to my wife instead", REPLY),
        ("day another like you would", REPLY),
        ("Your appointment is on Monday at three", ""),
        ("Your appointment is on Monday at three", "It rains."),
        ("Gleis sieben", GERMAN),
        ("Nein, lieber um vierzehn Uhr bitte", GERMAN),
        ("晴れですか", JAPANESE),
        ("傘を買いたいのですがどこですか", JAPANESE),
    ],
)
def test_a_users_answer_is_no_echo_even_in_the_replys_words(transcript: str, audible: str) -> None:
    assert not repeats(transcript, audible)


WORDS = st.lists(st.sampled_from(REPLY.split() + GERMAN.split()), max_size=40)


@given(WORDS, st.data())
def test_every_long_enough_piece_of_a_text_is_an_echo_of_it(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words)))
    end = data.draw(st.integers(start, len(words)))
    piece = words[start:end]
    letters = sum(sign.isalnum() for sign in "".join(piece))
    assert repeats(" ".join(piece).upper(), " ".join(words)) or len(piece) < 3 or letters < 8


@given(st.text(), st.text())
def test_any_two_texts_can_be_compared(transcript: str, audible: str) -> None:
    assert repeats(transcript, audible) in {True, False}


@given(st.lists(st.sampled_from(REPLY.split()), max_size=2))
def test_one_or_two_words_are_never_an_echo(words: list[str]) -> None:
    assert not repeats(" ".join(words), REPLY)


def test_the_audible_text_is_what_overlaps_the_time_and_its_margin() -> None:
    audible = Audible()
    audible.note("one", 0.0, 1.0)
    audible.note("two", 1.0, 2.0)
    audible.note("three", 2.0, 3.0)
    assert audible.between(1.2, 1.4, margin_s=0.1) == "two"
    assert audible.between(1.2, 1.6) == "one two three"
    assert audible.between(9.0, 10.0) == ""


def test_text_that_was_cut_was_not_audible() -> None:
    audible = Audible()
    audible.note("one", 0.0, 1.0)
    audible.note("two", 1.0, 2.0)
    audible.cut(0.5)
    assert audible.between(0.0, 0.9) == "one"
    assert audible.between(1.2, 1.4) == ""


def test_speech_that_goes_on_after_the_reply_is_no_echo_of_it() -> None:
    audible = Audible()
    audible.note("one", 0.0, 1.0)
    assert audible.between(0.8, 1.4) == "one"
    assert audible.between(0.8, 1.6) == ""


def test_a_limited_amount_of_text_is_remembered() -> None:
    audible = Audible()
    for number in range(1000):
        audible.note(str(number), number, number + 1)
    assert audible.between(0, 1000).split()[0] == "936"
