"""How English words and terms are said."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.transcribe.phonetics.english_sounds import by_rules
from voiceloop.transcribe.phonetics.pronouncing import MOST_FORMS, forms, is_ordinary, said
from voiceloop.transcribe.phonetics.sound_distance import CONSONANTS, VOWELS


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("nation", "nESxn"),
        ("knight", "nYt"),
        ("phoned", "fond"),
        ("quick", "kwIk"),
        ("judge", "JxJ"),
        ("sky", "skY"),
        ("table", "tabxl"),
        ("thing", "TIN"),
        ("b2", "btu"),
    ],
)
def test_the_rules_read_words_aloud(word: str, sounds: str) -> None:
    assert by_rules(word) == sounds


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("one", "wxn"),
        ("One", "wxn"),
        ("a", "x"),
        ("Q", "kyu"),
        ("GPU", "Jipiyu"),
        ("wireshark", "wYxrSArk"),
        ("東京", ""),
    ],
)
def test_irregular_words_letters_and_compounds_are_known(word: str, sounds: str) -> None:
    assert said(word) == sounds


@pytest.mark.parametrize(
    ("term", "spoken"),
    [
        ("nginx", "engine X"),
        ("tmux", "T mux"),
        ("systemd", "system D"),
        ("JSON", "J son"),
        ("PostgreSQL", "postgre S Q L"),
        ("MySQL", "my sequel"),
        ("C++", "C plus plus"),
        ("S3", "S three"),
        ("npm", "N P M"),
        ("kubectl", "cube control"),
    ],
)
def test_a_term_is_said_as_people_say_it(term: str, spoken: str) -> None:
    assert "".join(said(word) for word in spoken.split()) in {form.sounds for form in forms(term)}


@given(st.text(max_size=30))
def test_any_text_has_few_pronunciations_in_known_sounds(text: str) -> None:
    found = forms(text)
    assert len(found) <= MOST_FORMS
    for sounds in [said(text), *(form.sounds for form in found)]:
        assert set(sounds) <= set(VOWELS + CONSONANTS)


def test_common_words_their_plurals_and_possessives_are_ordinary() -> None:
    assert all(map(is_ordinary, ["whale", "Whale", "whales", "whale's", "mango"]))
    assert not any(map(is_ordinary, ["Ganom", "Wayland", "", "s"]))


def test_the_dictionary_is_in_known_sounds() -> None:
    text = files("voiceloop.transcribe.phonetics").joinpath("english_words.txt").read_text(encoding="utf-8")
    lines = [line.split(" ") for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) > 20_000
    assert all(
        len(line) <= 2 and line[0].isalpha() and set("".join(line[1:])) <= set(VOWELS + CONSONANTS) for line in lines
    )
