"""Anything may be said at any moment, and any part be slow or fail: what must hold all the same. See `babble.py`."""

from __future__ import annotations

from collections import Counter

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.turns.babble import MHM, RATE_HZ, Act, Manners, Scene, numbers, play, values
from voiceloop.turns.turn import Turn

SLACK = RATE_HZ // 20
"""A character's worth of samples."""

ACTS = st.lists(
    st.one_of(
        st.builds(Act, st.sampled_from(["word", "word", "mhm", "noise"]), st.integers(1, 60)),
        st.builds(Act, st.sampled_from(["word", "mhm"]), st.integers(7, 20)),  # short enough to decide nothing alone
        st.builds(Act, st.just("quiet"), st.integers(1, 120)),
        st.builds(Act, st.just("quiet"), st.integers(30, 60)),  # about what ends an utterance
        st.builds(Act, st.sampled_from(["quiet", "hint"]), st.integers(1, 25)),
        st.builds(Act, st.sampled_from(["gap", "stall", "stop"]), st.integers(1, 60)),
    ),
    max_size=24,
)
MANNERS = st.builds(
    Manners,
    seed=st.integers(0, 1_000_000),
    turns=st.sampled_from(["replace", "replace", "in_order", "exclusive"]),
    ahead=st.sampled_from(["on", "on", "off", "resting"]),
    clips=st.sampled_from([True, True, False]),
    preemptive=st.booleans(),
    half_duplex=st.sampled_from([False, False, True]),
    fails=st.sampled_from([1000, 6, 2]),
    longest_s=st.sampled_from([30.0, 30.0, 1.0, 2.0]),
    waiting=st.sampled_from([100, 2]),
)


@settings(max_examples=30)
@given(acts=ACTS, manners=MANNERS)
def test_whatever_is_said_and_whatever_fails(acts: list[Act], manners: Manners) -> None:
    check(acts, manners)


def check(acts: list[Act], manners: Manners) -> None:
    scene = trio.run(play, acts, manners, clock=MockClock(autojump_threshold=0))
    every_turn_is_told_once(scene)
    every_word_is_told_once_or_what_became_of_it(scene)
    nothing_is_answered_twice(scene)
    nothing_is_done_for_what_was_thrown_away(scene)
    the_history_is_what_was_said_and_heard(scene)
    what_was_answered_is_in_the_history(scene)
    nothing_sounds_too_soon_or_too_late(scene)
    assert not scene.sounded_over_speech
    for number, page in scene.pages.items():
        assert [told for told in page.told if told in {"over", "left"}] in (["over"], ["left"]), (number, page.told)
        assert page.told[-1] in {"over", "left"}


def every_turn_is_told_once(scene: Scene) -> None:
    done = [told["turn"] for told in scene.told("turn.done")]
    assert sorted(done) == sorted(turn.number for turn in scene.all_turns)
    failed = {told["turn"] for told in scene.told("turn.failed")}
    assert failed == {told["turn"] for told in scene.told("turn.done") if told["outcome"] == "failed"}


def split(scene: Scene) -> set[int]:
    """Words that were cut in two by a limit, a gap or a command: both halves may be told."""
    count = Counter(
        value for page in scene.pages.values() for utterance in page.utterances for value in set(values(utterance.pcm))
    )
    return {value for value, times in count.items() if times > 1}


def heir(scene: Scene, turn: Turn) -> Turn:
    """Who answers for what was said in `turn`."""
    if turn.reason == "merged":
        mine = {turn.number, turn.replaces} - {None}
        later = (other for other in scene.all_turns if other.number > turn.number)
        return heir(scene, next(other for other in later if other.replaces in mine))
    if turn.reason == "joined":
        return heir(scene, next(other for other in scene.all_turns if other.number > turn.number))
    return turn


def every_word_is_told_once_or_what_became_of_it(scene: Scene) -> None:
    replaced = {told["replaces"] for told in scene.told("transcript")}
    texts = {told["turn"]: told["text"] for told in scene.told("transcript") if told["turn"] not in replaced}
    assert len(scene.told("transcript")) == len({told["turn"] for told in scene.told("transcript")})
    told = Counter(number for text in texts.values() for number in numbers(text))
    halves = split(scene)
    assert all(times == 1 for number, times in told.items() if number not in halves)
    for turn in scene.all_turns:
        last = heir(scene, turn)
        said = {value for utterance in scene.pages[turn.number].utterances for value in values(utterance.pcm)}
        real = {value for value in said if value < MHM}
        if last.outcome == "done" or last.reason == "barge-in":
            assert real <= set(numbers(texts[last.number])), (turn.number, last.number)
        elif last.outcome == "empty" or last.reason == "backchannel":
            assert not real, (turn.number, last.number, last.reason)
        else:
            assert last.outcome == "failed" or last.reason == "withdrawn", last.reason
    left = [page for number, page in scene.pages.items() if number not in {turn.number for turn in scene.all_turns}]
    assert len(left) == len(scene.told("speech.refused"))


def nothing_is_answered_twice(scene: Scene) -> None:
    halves = split(scene)
    asked = Counter(
        number
        for message in scene.history
        if message.role == "user"
        for number in numbers(message.text)
        if number not in halves
    )
    assert all(times == 1 for times in asked.values()), scene.history
    done = Counter(number for _, text in scene.effects for number in numbers(text) if number not in halves)
    assert all(times == 1 for times in done.values()), scene.effects


def nothing_is_done_for_what_was_thrown_away(scene: Scene) -> None:
    told = {told["turn"]: told["text"] for told in scene.told("transcript")}
    for turn, text in scene.effects:
        assert told[turn] == text


def the_history_is_what_was_said_and_heard(scene: Scene) -> None:
    played: Counter[int] = Counter()
    for _, taken in scene.played:
        played.update(taken)
    for message in scene.history:
        if message.role == "assistant":
            number = int(message.text.split()[0].strip("r."))
            reply = scene.replies[number - 1]
            # A chunk that could not be spoken is passed over: then what was heard is not the reply's beginning.
            assert reply.startswith(message.text) or scene.told("speech.failed"), message.text
            # Spaces between chunks are joined in, not spoken.
            letters = message.text.replace(". ", ".")
            assert len(letters) * RATE_HZ // 20 <= played[number] + SLACK, message.text


def what_was_answered_is_in_the_history(scene: Scene) -> None:
    texts = {told["turn"]: told["text"] for told in scene.told("transcript")}
    remembered = [(message.role, message.text) for message in scene.history]
    answered = {turn.number for turn in scene.all_turns if turn.outcome == "done" or turn.reason == "barge-in"}
    assert {("user", texts[number]) for number in answered} <= set(remembered)
    heard = {("assistant", told["text"]) for told in scene.told("reply") if told["turn"] in answered}
    assert heard <= set(remembered)


def nothing_sounds_too_soon_or_too_late(scene: Scene) -> None:
    turns = {turn.number: turn for turn in scene.all_turns}
    for at, taken in scene.played:
        for number in taken:
            marks = turns[scene.asked[number - 1][0]].marks
            assert marks["committed"] <= at <= marks.get("cancelled", at) + 0.001, number
