"""The endpointer: how long a pause must last before it ends a turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.capture.endpointing.endings import Ending
from voiceloop.capture.endpointing.endpointer import (
    Endpointer,
    Pause,
)
from voiceloop.capture.endpointing.judgement import Evidence
from voiceloop.capture.endpointing.messages import (
    PauseMissed,
    SoundAwaited,
    SoundKnown,
    SoundLost,
    TextAwaited,
    TextKnown,
)
from voiceloop.config.tables import Segment
from voiceloop.types import samples

USUAL = samples(600)
SHORTEST, LONGEST = samples(400), samples(1_600)
TEXTS = ("What?", "Yes.", "tea", "I want to", "I want tea and", "")
"""Ordered from the most certain ending to none."""


def ask(endpointer: Endpointer, pause: Pause) -> int:
    """Ask for the hangover as the segmenter does whenever time passes in a pause."""
    endpointer.consider(pause)
    return endpointer.hangover(pause)


def adaptive() -> Endpointer:
    return Endpointer.of(Segment(), half_duplex=False)


def pause(start: int = 0, hangover: int = USUAL) -> Pause:
    return Pause(start=start, hangover=hangover, voice=16_000)


def after(text: str, language: str | None = "en") -> int:
    """Return the hangover after this transcript."""
    endpointer = adaptive()
    ask(endpointer, pause())
    endpointer.heard(text, at=0, language=language)
    return ask(endpointer, pause())


def speak(endpointer: Endpointer, length_ms: float, *, start: int, text: str = "") -> int:
    """Pause for this length inside speech; return where the next pause may begin."""
    at = start + samples(length_ms)
    ask(endpointer, pause(start))
    if text:
        endpointer.heard(text, at=start, language="en")
        ask(endpointer, pause(start))
    endpointer.resumed(start=start, at=at)
    return at + 16_000


def test_asking_changes_nothing() -> None:
    learned, asked = adaptive(), adaptive()
    for endpointer in (learned, asked):
        ask(endpointer, pause())
        endpointer.heard("I went and", at=0, language="en")
    for _ in range(3):
        asked.hangover(pause())
        asked.hangover(pause(50_000))
    for endpointer in (learned, asked):
        endpointer.resumed(start=0, at=20_000)
    assert asked.speaker_factor == learned.speaker_factor != 1.0
    assert asked.hangover(pause(90_000)) == learned.hangover(pause(90_000))


def test_a_text_counts_for_a_pause_only_once_the_pause_was_considered_with_it() -> None:
    considered, not_considered = adaptive(), adaptive()
    for endpointer in (considered, not_considered):
        ask(endpointer, pause())
        endpointer.heard("I went and", at=0, language="en")
    considered.consider(pause())
    not_considered.hangover(pause())
    for endpointer in (considered, not_considered):
        endpointer.resumed(start=0, at=samples(900))
    assert considered.speaker_factor < not_considered.speaker_factor


def test_without_adaptive_endpointing_a_pause_must_last_as_long_as_the_hangover() -> None:
    endpointer = Endpointer.of(Segment(adaptive=False), half_duplex=False)
    for start in range(10):
        assert ask(endpointer, pause(start)) == USUAL
        endpointer.heard("I went and", at=start, language="en")
        endpointer.resumed(start=start, at=start + 20_000)
    assert ask(endpointer, pause(99)) == USUAL
    assert ask(Endpointer(), pause()) == USUAL


def test_the_bounds_hold_whatever_the_hangover() -> None:
    endpointer = Endpointer(shortest_ms=200, longest_ms=500)
    assert ask(endpointer, pause(hangover=0)) == samples(200)
    assert ask(endpointer, pause(hangover=16_000)) == samples(500)


def test_milliseconds_become_samples_at_the_capture_rate() -> None:
    assert samples(1_000) == 16_000
    assert samples(0.5) == 8


def test_before_anything_is_known_the_hangover_is_the_configured_one() -> None:
    assert ask(adaptive(), pause()) == USUAL


def test_a_question_needs_less_quiet_than_a_sentence_and_a_trailing_word_more() -> None:
    assert after("What is the time?") < after("It is late.") < USUAL < after("I want to") < after("It is late and")


def test_a_full_stop_after_a_trailing_word_does_not_shorten() -> None:
    assert after("It is late and.") > USUAL
    assert after("That's what I'm looking for.") == USUAL


def test_in_a_language_without_lists_of_words_the_text_makes_no_difference() -> None:
    assert after("Która godzina?", "pl") == USUAL


def test_an_unknown_language_is_guessed_from_the_transcripts() -> None:
    endpointer = adaptive()
    ask(endpointer, pause(0))
    endpointer.heard("Get salt and.", at=0, language=None)
    assert ask(endpointer, pause(0)) < USUAL
    ask(endpointer, pause(50_000))
    endpointer.heard("I would like to know what the weather is like.", at=50_000, language=None)
    ask(endpointer, pause(99_000))
    endpointer.heard("Get salt and.", at=99_000, language=None)
    assert ask(endpointer, pause(99_000)) > USUAL


def test_a_transcript_that_comes_late_is_ignored() -> None:
    endpointer = adaptive()
    ask(endpointer, pause(0))
    ask(endpointer, pause(8_000))
    endpointer.heard("It is late and", at=0, language="en")
    assert ask(endpointer, pause(8_000)) == USUAL


def test_a_transcript_has_no_effect_on_the_next_pause() -> None:
    endpointer = adaptive()
    ask(endpointer, pause(0))
    endpointer.heard("It is late and", at=0, language="en")
    assert ask(endpointer, pause(8_000)) == USUAL


def test_while_the_transcript_is_on_its_way_the_turn_is_not_over() -> None:
    endpointer = adaptive()
    ask(endpointer, pause())
    endpointer.awaiting(0)
    assert ask(endpointer, pause()) == LONGEST
    endpointer.heard("What is the time?", at=0, language="en")
    assert ask(endpointer, pause()) < USUAL


def test_messages_say_what_the_calls_say() -> None:
    called, told = adaptive(), adaptive()
    for endpointer in (called, told):
        ask(endpointer, pause())
    called.awaiting(0)
    told.take(TextAwaited(0))
    assert ask(told, pause()) == ask(called, pause()) == LONGEST
    called.heard("I want tea and", at=0, language="en")
    told.take(TextKnown("I want tea and", at=0, language="en"))
    assert ask(told, pause()) == ask(called, pause()) == samples(600 * 1.8)
    called.resumed(start=0, at=30_000)
    told.take(PauseMissed(start=0, at=30_000))
    assert told.speaker_factor == called.speaker_factor > 1


def test_a_request_that_failed_leaves_the_usual_hangover() -> None:
    endpointer = adaptive()
    ask(endpointer, pause())
    endpointer.awaiting(0)
    endpointer.heard("", at=0, language=None)
    assert ask(endpointer, pause()) == USUAL


def test_a_speaker_who_pauses_long_is_given_more_time_and_one_who_does_not_less() -> None:
    slow, brisk = adaptive(), adaptive()
    at = then = 0
    for _ in range(40):
        at = speak(slow, 900, start=at)
        then = speak(brisk, 250, start=then)
    assert ask(slow, pause(at)) >= samples(900)
    assert SHORTEST <= ask(brisk, pause(then)) < samples(500)


def test_a_few_pauses_change_the_hangover_little() -> None:
    endpointer = adaptive()
    at = speak(endpointer, 1_500, start=0)
    for _ in range(3):
        at = speak(endpointer, 250, start=at)
    assert abs(ask(endpointer, pause(at)) - USUAL) < samples(150)


def test_long_pauses_are_forgotten() -> None:
    endpointer = adaptive()
    at = 0
    for _ in range(5):
        at = speak(endpointer, 1_500, start=at)
    long = ask(endpointer, pause(at))
    for _ in range(200):
        at = speak(endpointer, 250, start=at)
    assert ask(endpointer, pause(at)) < USUAL < long


def test_however_long_the_pauses_the_speaker_factor_stays_between_the_bounds() -> None:
    endpointer = adaptive()
    at = 0
    for _ in range(20):
        at = speak(endpointer, 20_000, start=at)
    assert endpointer.speaker_factor == LONGEST / USUAL
    for _ in range(500):
        at = speak(endpointer, 1, start=at)
    assert endpointer.speaker_factor == SHORTEST / USUAL


def test_long_pauses_after_and_do_not_lengthen_other_pauses() -> None:
    endpointer = adaptive()
    at = 0
    for _ in range(20):
        at = speak(endpointer, 900, start=at, text="I went and")
    assert ask(endpointer, pause(at)) <= USUAL


def test_a_transcript_that_came_after_the_end_of_the_turn_is_not_counted_as_used() -> None:
    endpointer = adaptive()
    ask(endpointer, pause(0))
    endpointer.heard("I went and", at=0, language="en")  # the segmenter never asked again
    endpointer.resumed(start=0, at=samples(900))
    assert ask(endpointer, pause(50_000)) > USUAL


def test_a_pause_counts_once() -> None:
    endpointer = adaptive()
    ask(endpointer, pause(0))
    endpointer.resumed(start=0, at=samples(900))
    once = endpointer.speaker_factor
    endpointer.resumed(start=0, at=samples(900))
    assert endpointer.speaker_factor == once


def test_about_one_in_twenty_pauses_is_cut_once_the_speaker_factor_has_settled() -> None:
    endpointer = adaptive()
    at = cut = 0
    lengths = [250 + 17 * (n * 7_919 % 50) for n in range(2_000)]  # evenly from 250 to 1,083 ms
    for number, length_ms in enumerate(lengths):
        cut += number >= 1_000 and ask(endpointer, pause(at)) < samples(length_ms)
        at = speak(endpointer, length_ms, start=at)
    assert cut / 1_000 == pytest.approx(0.05, abs=0.03)


def test_in_half_duplex_the_configured_hangover_is_the_lower_bound() -> None:
    segment = Segment()
    endpointer = Endpointer.of(segment, half_duplex=True)
    usual = samples(segment.half_duplex_hangover_ms)
    at = 0
    for _ in range(200):
        at = speak(endpointer, 250, start=at, text="What?")
    assert ask(endpointer, pause(at, usual)) >= samples(segment.hangover_ms)


def test_the_description_names_the_evidence() -> None:
    endpointer = adaptive()
    assert endpointer.description("English") == "words, punctuation and pauses (en)"
    assert endpointer.description("pl") == "pauses alone (pl)"
    assert endpointer.description(None).startswith("punctuation and pauses; words once")
    assert Endpointer().description("en") == "a fixed pause"


Call = tuple[str, int, str]
CALLS = st.lists(
    st.tuples(st.sampled_from(["ask", "hear", "await", "resume"]), st.integers(1, 30_000), st.sampled_from(TEXTS))
)


def replay(calls: list[Call], hangover: int = USUAL, longer: int = 0) -> list[int]:
    """Return the hangover after each call; `longer` samples are added to each inner pause."""
    endpointer, start, answers = adaptive(), 0, []
    for what, length, text in calls:
        if what == "ask":
            start += 40_000
        elif what == "hear":
            endpointer.heard(text, at=start, language="en")
        elif what == "await":
            endpointer.awaiting(start)
        else:
            endpointer.resumed(start=start, at=start + length + longer)
        answers.append(ask(endpointer, pause(start, hangover)))
    return answers


@given(CALLS, st.integers(0, 60_000))
def test_every_answer_lies_between_the_bounds(calls: list[Call], hangover: int) -> None:
    assert all(SHORTEST <= answer <= LONGEST for answer in replay(calls, hangover))


@given(CALLS)
def test_the_same_calls_have_the_same_answers(calls: list[Call]) -> None:
    assert replay(calls) == replay(calls)


@given(CALLS, st.integers(0, len(TEXTS) - 2), st.integers(0, len(TEXTS) - 2))
def test_a_more_certain_ending_never_waits_longer(calls: list[Call], one: int, other: int) -> None:
    sure, unsure = sorted((one, other))
    new: Call = ("ask", 1, "")
    first, second = ([*calls, new, ("hear", 1, TEXTS[which])] for which in (sure, unsure))
    assert replay(first)[-1] <= replay(second)[-1]


@given(st.lists(st.integers(1, 30_000), max_size=40), st.integers(0, 20_000))
def test_longer_pauses_never_make_the_answer_shorter(lengths: list[int], longer: int) -> None:
    def learned(more: int) -> int:
        endpointer, at = adaptive(), 0
        for length in lengths:
            ask(endpointer, pause(at))
            endpointer.resumed(start=at, at=at + length + more)
            at += 100_000
        return ask(endpointer, pause(at))

    assert learned(longer) >= learned(0)


@given(CALLS, st.integers(SHORTEST, LONGEST), st.integers(0, 10_000))
def test_a_larger_hangover_never_gives_a_shorter_answer(calls: list[Call], hangover: int, more: int) -> None:
    quiet = [call for call in calls if call[0] != "resume"]
    low, high = replay(quiet, hangover), replay(quiet, hangover + more)
    assert all(a <= b for a, b in zip(low, high, strict=True))


@given(st.lists(st.integers(0, 10**9), max_size=200))
def test_a_limited_number_of_pauses_is_remembered(starts: list[int]) -> None:
    endpointer = adaptive()
    for start in starts:
        ask(endpointer, pause(start))
        endpointer.heard("and", at=start, language="en")
        endpointer.resumed(start=start, at=start + 9_000)
    assert len(endpointer._pauses) <= 16


# With the acoustic judge


def acoustic() -> Endpointer:
    return Endpointer.of(Segment(), half_duplex=False, acoustic=True)


def after_sound(log_odds: float | None, text: str = "", language: str | None = "en") -> int:
    """Return the hangover once the sound and perhaps the words before a pause are known."""
    endpointer = acoustic()
    ask(endpointer, pause())
    endpointer.take(SoundAwaited(0))
    endpointer.take(SoundKnown(log_odds, 0))
    if text:
        endpointer.take(TextKnown(text, at=0, language=language, punctuated=False))
    return ask(endpointer, pause())


def test_the_sound_of_an_end_shortens_the_wait_and_that_of_a_pause_lengthens_it() -> None:
    assert after_sound(4.6) == samples(250)
    assert after_sound(4.6) < after_sound(0.0) < after_sound(-4.6)
    assert after_sound(-4.6, "I want tea and") == samples(3_000)


def test_words_that_want_more_lengthen_the_wait_whatever_the_sound() -> None:
    for log_odds in (-2.0, 0.0, 2.0):
        assert after_sound(log_odds, "Bring me the tea.") < after_sound(log_odds, "I need.")
        assert after_sound(log_odds, "I need.") < after_sound(log_odds, "I need the.")


def test_a_judge_that_fails_leaves_what_the_words_say() -> None:
    assert after_sound(None, "I need") == after("I need")
    assert after_sound(None) == USUAL


def test_the_judge_is_awaited_for_half_a_second_and_no_longer() -> None:
    endpointer = acoustic()
    ask(endpointer, pause())
    endpointer.take(TextKnown("Thank you", at=0, language="en"))
    assert ask(endpointer, pause()) < samples(500)
    endpointer.take(SoundAwaited(0))
    assert ask(endpointer, pause()) == samples(500)
    endpointer.take(SoundKnown(4.6, 0))
    assert ask(endpointer, pause()) == samples(250)


def test_the_sound_does_not_hasten_words_that_are_on_their_way() -> None:
    endpointer = acoustic()
    ask(endpointer, pause())
    endpointer.take(TextAwaited(0))
    endpointer.take(SoundKnown(4.6, 0))
    assert ask(endpointer, pause()) == samples(3_000)


def test_the_sound_of_an_earlier_pause_says_nothing_of_this_one() -> None:
    endpointer = acoustic()
    ask(endpointer, pause(0))
    ask(endpointer, pause(50_000))
    endpointer.take(SoundAwaited(0))
    endpointer.take(SoundKnown(-4.6, 0))
    assert ask(endpointer, pause(50_000)) == USUAL


def test_in_a_language_that_the_judge_does_not_know_its_answer_is_ignored() -> None:
    assert after_sound(-4.6, "Která hodina je", "cs") == USUAL
    assert after_sound(-4.6, "Która godzina", "pl") > USUAL


def test_bounds_that_are_set_hold_with_the_judge_too() -> None:
    segment = Segment(shortest_hangover_ms=450, longest_hangover_ms=1_000)
    endpointer = Endpointer.of(segment, half_duplex=False, acoustic=True)
    for log_odds, expected in ((4.6, 450), (-4.6, 1_000)):
        ask(endpointer, pause())
        endpointer.take(SoundKnown(log_odds, 0))
        assert ask(endpointer, pause()) == samples(expected)


def test_the_bounds_without_the_judge_are_those_of_the_config() -> None:
    assert Segment().bounds_ms(acoustic=False) == (400, 1_600)
    assert Segment().bounds_ms(acoustic=True) == (250, 3_000)
    assert Segment(pause_ms=300).bounds_ms(acoustic=True) == (300, 3_000)
    assert Segment(shortest_hangover_ms=200, longest_hangover_ms=4_000).bounds_ms(acoustic=True) == (200, 4_000)


@pytest.mark.parametrize("half_duplex", [False, True])
def test_without_a_judge_that_counts_the_bounds_are_those_without_one(half_duplex: bool) -> None:
    def bounds(endpointer: Endpointer) -> tuple[int, int]:
        found: list[int] = []
        for text in ("Thank you", "I want tea and"):
            ask(endpointer, pause())
            endpointer._speaker_factor = 0.01 if not found else 100.0
            endpointer.take(TextKnown(text, at=0, language="en"))
            found.append(ask(endpointer, pause()))
        return found[0], found[1]

    def made(*, acoustic: bool) -> Endpointer:
        return Endpointer.of(Segment(), half_duplex=half_duplex, acoustic=acoustic)

    judged, usual = bounds(made(acoustic=True)), bounds(made(acoustic=False))
    assert usual == (samples(600 if half_duplex else 400), samples(1_600))
    assert judged == (samples(600 if half_duplex else 250), samples(3_000))
    lost = made(acoustic=True)
    lost.take(SoundLost())
    assert bounds(lost) == usual
    czech = made(acoustic=True)  # which the judge doesn't know
    ask(czech, pause())
    czech.take(TextKnown("Která hodina je", at=0, language="cs"))
    czech._speaker_factor = 100.0
    assert ask(czech, pause()) == usual[1]


def test_a_decision_tells_what_was_known_and_decided() -> None:
    endpointer = acoustic()
    ask(endpointer, pause())
    assert endpointer.decision(pause()) is None
    endpointer.take(SoundKnown(2.0, 0))
    endpointer.take(TextKnown("I need.", at=0, language="en", punctuated=False))
    decision = endpointer.decision(pause())
    assert decision is not None
    assert decision.evidence == Evidence(Ending.LINKED, sound=2.0)
    assert decision.hangover == ask(endpointer, pause()) == pytest.approx(USUAL * decision.factor, abs=1)


def test_marks_that_say_nothing_change_nothing() -> None:
    def wait(text: str, *, punctuated: bool) -> int:
        endpointer = adaptive()
        ask(endpointer, pause())
        endpointer.take(TextKnown(text, at=0, language="en", punctuated=punctuated))
        return ask(endpointer, pause())

    assert wait("Bring the tea.", punctuated=False) == wait("Bring the tea?", punctuated=False) == USUAL
    assert wait("Bring the tea.", punctuated=True) < USUAL
    assert wait("I went to.", punctuated=False) == wait("I went to", punctuated=True) > USUAL
