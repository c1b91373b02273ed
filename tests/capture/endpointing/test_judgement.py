"""The judgement of a pause from the words and the sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.capture.endpointing.endings import Ending
from voiceloop.capture.endpointing.judgement import FACTORS, LANGUAGES, SCALE, WORDS, Evidence, factor

SOUNDS = st.floats(-4.6, 4.6)
ENDINGS = st.sampled_from(list(Ending))


def test_more_certain_endings_have_smaller_factors() -> None:
    assert list(FACTORS) == sorted(FACTORS)
    assert list(FACTORS.values()) == sorted(FACTORS.values())
    assert list(WORDS) == sorted(WORDS)
    assert list(WORDS.values()) == sorted(WORDS.values(), reverse=True)


@pytest.mark.parametrize("ending", list(Ending))
def test_without_the_sound_the_factor_is_that_of_the_words(ending: Ending) -> None:
    assert factor(Evidence(ending)) == FACTORS[ending]


def test_nothing_known_changes_nothing() -> None:
    assert factor(Evidence()) == 1.0
    assert factor(Evidence(sound=0.0)) == SCALE


@given(SOUNDS, SOUNDS, ENDINGS, ENDINGS)
def test_more_certainty_never_gives_a_longer_wait(one: float, other: float, first: Ending, second: Ending) -> None:
    surer = Evidence(min(first, second), sound=max(one, other))
    assert factor(surer) <= factor(Evidence(max(first, second), sound=min(one, other)))


def test_the_sound_and_the_words_can_outweigh_one_another() -> None:
    over, held = factor(Evidence(Ending.UNKNOWN, sound=4.6)), factor(Evidence(Ending.UNKNOWN, sound=-4.6))
    assert over < 0.4
    assert held > 3
    assert over < factor(Evidence(Ending.OPEN, sound=4.6)) < factor(Evidence(Ending.OPEN, sound=0.0)) < 1.8 * held


def test_its_languages_are_codes() -> None:
    assert len(LANGUAGES) == 23
    assert all(len(code) == 2 for code in LANGUAGES)
