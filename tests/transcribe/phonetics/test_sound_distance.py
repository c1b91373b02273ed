"""The distance between pronunciations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.transcribe.phonetics.sound_distance import (
    CONSONANTS,
    VOWELS,
    distance,
    skeleton,
    skeleton_keys,
    weight,
)

sounds = st.text(alphabet=VOWELS + CONSONANTS, max_size=10)


@given(sounds, sounds)
def test_the_distance_is_the_same_in_both_directions(one: str, other: str) -> None:
    there, back = distance(one, other, 99), distance(other, one, 99)
    assert there == pytest.approx(back)
    assert there is not None
    assert (there == 0) == (one == other)
    assert there <= weight(one) + weight(other) + 1e-9


@given(sounds, sounds, st.floats(0, 10))
def test_a_limit_only_leaves_out_what_is_beyond_it(one: str, other: str, limit: float) -> None:
    cost = distance(one, other, 99)
    assert cost is not None
    assert distance(one, other, limit) == (cost if cost <= limit else None)


@pytest.mark.parametrize(
    ("near", "than", "word"),
    [
        ("kat", "kab", "kad"),
        ("mIt", "mot", "met"),
        ("fIS", "fIk", "fIs"),
        ("ouz", "kouz", "houz"),
        ("bEz", "bEl", "bEs"),
    ],
)
def test_sounds_that_are_easily_confused_are_near(near: str, than: str, word: str) -> None:
    assert (distance(near, word, 99) or 0) < (distance(than, word, 99) or 0)


def test_a_skeleton_has_classes_of_consonants_without_vowels() -> None:
    assert skeleton("wElxnd") == skeleton("wElant") == "LMT"
    assert skeleton("hYwE") == ""


@given(sounds, st.data())
def test_a_sound_more_or_less_leaves_a_common_key(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word)))
    more = word[:at] + data.draw(st.sampled_from(VOWELS + CONSONANTS)) + word[at:]
    bones = skeleton(word)
    if len(bones) > 2 and len(skeleton(more)) <= len(bones) + 1:
        assert skeleton_keys(bones, deep=True) & skeleton_keys(skeleton(more))
