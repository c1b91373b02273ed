"""What must hold in every random conversation, whatever is said and whichever part fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import trio
from trio.testing import MockClock

from testbed.conversations.playing import play
from testbed.conversations.scene import MHM, RATE_HZ, Act, Behaviour, Scene, numbers, values
from voiceloop.turns.turn import Turn

SLACK = RATE_HZ // 20
"""The samples of one spoken character."""


def check(acts: Sequence[Act], behaviour: Behaviour) -> Scene:
    """Play a conversation, and check it; gives what happened in it."""
    scene = trio.run(play, acts, behaviour, clock=MockClock(autojump_threshold=0))
    check_scene(scene)
    return scene


def check_scene(scene: Scene) -> None:
    """Check what happened in a conversation."""
    every_turn_is_reported_once(scene)
    every_utterance_belongs_to_one_turn_or_is_refused(scene)
    every_word_is_reported_once_or_its_turn_says_why_not(scene)
    nothing_is_answered_twice(scene)
    nothing_is_done_for_a_discarded_transcript(scene)
    the_history_holds_only_what_was_heard_of_each_reply(scene)
    every_answered_turn_is_in_the_history(scene)
    no_reply_sounds_before_its_turn_is_committed_or_after_it_is_cancelled(scene)
    nothing_happens_outside_the_table(scene)
    no_two_replies_sound_at_once(scene)
    assert not scene.sounded_over_speech
    for number, page in scene.pages.items():
        assert [call for call in page.calls if call in {"over", "left"}] in (["over"], ["left"]), (number, page.calls)
        assert page.calls[-1] in {"over", "left"}


def every_turn_is_reported_once(scene: Scene) -> None:
    done = [event["turn"] for event in scene.published("turn.done")]
    assert sorted(done) == sorted(turn.number for turn in scene.all_turns)
    failed = {event["turn"] for event in scene.published("turn.failed")}
    assert failed == {event["turn"] for event in scene.published("turn.done") if event["outcome"] == "failed"}


def every_utterance_belongs_to_one_turn_or_is_refused(scene: Scene) -> None:
    taken = [utterance.start for page in scene.pages.values() for utterance in page.utterances]
    assert sorted(taken) == [utterance.start for utterance in scene.found]


def split_words(scene: Scene) -> set[int]:
    """Return the words that were cut in two by a limit, a gap or a command: both halves may be transcribed."""
    count = Counter(
        value for page in scene.pages.values() for utterance in page.utterances for value in set(values(utterance.pcm))
    )
    return {value for value, times in count.items() if times > 1}


def answering_turn(scene: Scene, turn: Turn) -> Turn:
    """Return the turn that answers the speech of `turn`: a later one if the turn was merged or joined."""
    if turn.reason == "merged":
        mine = {turn.number, turn.replaces} - {None}
        later = (other for other in scene.all_turns if other.number > turn.number)
        return answering_turn(scene, next(other for other in later if other.replaces in mine))
    if turn.reason == "joined":
        return answering_turn(scene, next(other for other in scene.all_turns if other.number > turn.number))
    return turn


def every_word_is_reported_once_or_its_turn_says_why_not(scene: Scene) -> None:
    replaced = {event["replaces"] for event in scene.published("transcript")}
    texts = {event["turn"]: event["text"] for event in scene.published("transcript") if event["turn"] not in replaced}
    assert len(scene.published("transcript")) == len({event["turn"] for event in scene.published("transcript")})
    count = Counter(number for text in texts.values() for number in numbers(text))
    halves = split_words(scene)
    assert all(times == 1 for number, times in count.items() if number not in halves)
    for turn in scene.all_turns:
        last = answering_turn(scene, turn)
        said = {value for utterance in scene.pages[turn.number].utterances for value in values(utterance.pcm)}
        real = {value for value in said if value < MHM}
        if last.outcome == "done" or last.reason == "barge-in":
            assert real <= set(numbers(texts[last.number])), (turn.number, last.number)
        elif last.outcome == "empty" or last.reason == "backchannel":
            assert not real, (turn.number, last.number, last.reason)
        elif last.reason == "echo":
            assert not real or _is_long(scene, turn), (turn.number, last.number)
        else:
            assert last.outcome == "failed" or last.reason == "withdrawn", last.reason
    left = [page for number, page in scene.pages.items() if number not in {turn.number for turn in scene.all_turns}]
    assert len(left) == len(scene.published("speech.refused"))


def _is_long(scene: Scene, turn: Turn) -> bool:
    """Whether speech is longer than what is compared with the reply: a word before that isn't known to the judge."""
    return any(utterance.duration_s > 2.0 for utterance in scene.pages[turn.number].utterances)


def nothing_happens_outside_the_table(scene: Scene) -> None:
    assert not [event for event in scene.published("turn.failed") if "can't happen" in event["error"]]


def no_two_replies_sound_at_once(scene: Scene) -> None:
    """Each reply sounds in one stretch: no other one within it."""
    order = [number for _, taken in scene.played for number in sorted(taken)]
    stretches = [number for number, before in zip(order, [None, *order], strict=False) if number != before]
    assert len(stretches) == len(set(stretches)), stretches


def nothing_is_answered_twice(scene: Scene) -> None:
    halves = split_words(scene)
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


def nothing_is_done_for_a_discarded_transcript(scene: Scene) -> None:
    texts = {event["turn"]: event["text"] for event in scene.published("transcript")}
    for turn, text in scene.effects:
        assert texts[turn] == text


def the_history_holds_only_what_was_heard_of_each_reply(scene: Scene) -> None:
    played: Counter[int] = Counter()
    for _, taken in scene.played:
        played.update(taken)
    for message in scene.history:
        if message.role == "assistant":
            number = int(message.text.split()[0].strip("r."))
            reply = scene.replies[number - 1]
            # A chunk that could not be spoken is skipped: then the text heard is not the beginning of the reply.
            assert reply.startswith(message.text) or scene.published("speech.failed"), message.text
            # Chunks are joined by spaces, which are not spoken.
            letters = message.text.replace(". ", ".")
            assert len(letters) * RATE_HZ // 20 <= played[number] + SLACK, message.text


def every_answered_turn_is_in_the_history(scene: Scene) -> None:
    texts = {event["turn"]: event["text"] for event in scene.published("transcript")}
    remembered = [(message.role, message.text) for message in scene.history]
    answered = {turn.number for turn in scene.all_turns if turn.outcome == "done" or turn.reason == "barge-in"}
    assert {("user", texts[number]) for number in answered} <= set(remembered)
    heard = {("assistant", event["text"]) for event in scene.published("reply") if event["turn"] in answered}
    assert heard <= set(remembered)


def no_reply_sounds_before_its_turn_is_committed_or_after_it_is_cancelled(scene: Scene) -> None:
    seam = scene.behaviour.seam
    if seam is not None and seam.where == "clock":  # it dates the marks wrongly
        return
    turns = {turn.number: turn for turn in scene.all_turns}
    for at, taken in scene.played:
        for number in taken:
            marks = turns[scene.asked[number - 1][0]].marks
            assert marks["committed"] <= at <= marks.get("cancelled", at) + 0.001, number
