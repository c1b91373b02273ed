"""Preemptive generation in pauses, in virtual time: hidden until the turn ends, discarded if the user goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.turns.room import Room, open_room
from voiceloop.errors import RateLimited, VoiceloopError
from voiceloop.plugins import Reply, Turns
from voiceloop.turns.preemptive import REST_PAUSES, PreemptiveGeneration
from voiceloop.types import CancelReason, Message, Transcript

LONG = "This is a rather long answer that goes on for quite a while without an end in sight."


def preemptive_room(texts: Sequence[str | VoiceloopError], replies: Sequence[str]) -> AbstractAsyncContextManager[Room]:
    """A room with preemptive generation."""
    return open_room(texts, replies, preemptive=PreemptiveGeneration())


def first_sound(room: Room) -> float:
    return next(at for at, sounded in room.sound if sounded) - room.began


async def test_the_clip_is_posted_in_the_pause_and_the_answer_is_ready_when_the_turn_ends(
    autojump_clock: MockClock,
) -> None:
    async with preemptive_room(["what time is it"], ["It is noon."]) as room:
        await room.say(1.0)
        marks_at_end = room.now()
    marks = {name: round(at - room.began, 3) for name, at in room.published("turn.done")[0]["marks"].items()}
    assert marks["last_voiced"] == 1.0
    assert marks["pause"] == marks["post"] == 1.2
    assert (marks["text"], marks["first_text"], marks["first_pcm"]) == (1.5, 1.7, 1.8)
    assert marks["committed"] == round(marks_at_end, 3) == 1.6
    assert len(room.recogniser.clips) == 1
    assert room.published("reply") == [{"turn": 1, "text": "It is noon.", "complete": True}]


async def test_an_answer_that_is_ready_before_the_end_of_the_turn_waits_for_it(autojump_clock: MockClock) -> None:
    async with preemptive_room(["what time is it"], ["It is noon."]) as room:
        room.recogniser.takes_s = room.answerer.takes_s = room.voice.takes_s = 0.05
        await room.say(1.0)
        assert room.voice.chunks == ["It is noon."]
        assert not any(sounded for _, sounded in room.sound)
        assert not room.published("transcript")
        assert room.conversation.history == ()
    assert 1.6 <= first_sound(room) <= 1.62


async def test_preemptive_work_is_discarded_when_speech_goes_on(autojump_clock: MockClock) -> None:
    async with preemptive_room(["I would like", "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((1.0, 1.0), (0.5, 0.6))
        await room.quiet(3)
    assert len(room.recogniser.clips) == 2
    assert room.recogniser.clips[1].samples > room.recogniser.clips[0].samples + 16_000
    assert [event["text"] for event in room.published("transcript")] == ["I would like a coffee"]
    assert room.conversation.history == (
        Message("user", "I would like a coffee"),
        Message("assistant", "One coffee."),
    )
    assert room.published("preemptive.wasted")[0]["requests"] == 1
    assert room.answerer.asked == ["I would like a coffee"]


async def test_the_answer_to_an_unfinished_turn_is_cancelled_and_never_heard(autojump_clock: MockClock) -> None:
    async with preemptive_room(["I would like", "I would like a coffee"], ["What?", "One coffee."]) as room:
        room.recogniser.takes_s = 0.05
        room.answerer.takes_s = 0.15
        await room.speak((1.0, 1.0), (0.55, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["I would like", "I would like a coffee"]
    assert room.voice.chunks == ["What?", "One coffee."]
    assert [event["text"] for event in room.published("reply")] == ["One coffee."]
    assert room.published("preemptive.wasted")[0]["requests"] == 3


async def test_only_the_first_chunk_is_synthesised_preemptively(autojump_clock: MockClock) -> None:
    async with preemptive_room(["go on"], ["This is one sentence. This is another one. And here is a third."]) as room:
        room.recogniser.takes_s = room.answerer.takes_s = room.voice.takes_s = 0.01
        await room.speak((1.0,), (0.6,))
        assert room.voice.chunks == ["This is one sentence."]
        await room.quiet(5)
    assert len(room.voice.chunks) == 3


async def test_a_handler_that_waits_for_the_commit_acts_only_after_the_turn_ends(autojump_clock: MockClock) -> None:
    done: list[tuple[str, float]] = []

    async def handle(transcript: Transcript, reply: Reply) -> None:
        await reply.committed()
        done.append((transcript.text, trio.current_time()))

    async with preemptive_room(["open the", "open the door"], []) as room:
        vars(room.answerer)["handle"] = handle
        room.recogniser.takes_s = 0.05
        await room.speak((1.0, 1.0), (0.5, 0.6))
        ended = trio.current_time()
    assert done == [("open the door", ended)]


async def test_a_failure_in_a_pause_is_reported_only_if_the_pause_ends_the_turn(
    autojump_clock: MockClock,
) -> None:
    async with preemptive_room([RateLimited("busy", status=429), "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((1.0, 1.0), (0.58, 0.6))
        await room.quiet(3)
    assert not room.published("turn.failed")
    assert room.answerer.asked == ["I would like a coffee"]


async def test_a_failure_in_the_last_pause_is_reported_once(autojump_clock: MockClock) -> None:
    async with preemptive_room([RateLimited("busy", status=429), "not asked"], ["no"]) as room:
        await room.say(1.0)
        await room.quiet(3)
    assert len(room.published("turn.failed")) == 1
    assert len(room.recogniser.clips) == 1


async def test_an_empty_transcript_in_a_pause_does_not_end_the_turn(autojump_clock: MockClock) -> None:
    async with preemptive_room(["", "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((0.5, 1.0), (0.55, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["I would like a coffee"]
    assert [done["outcome"] for done in room.published("turn.done")] == ["done"]


async def test_a_backchannel_that_goes_on_is_decided_by_all_of_its_words(autojump_clock: MockClock) -> None:
    async with preemptive_room(["one", "okay", "okay but stop"], [LONG, "Fine."]) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(2)
        await room.speak((0.2, 0.2), (0.4, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["one", "okay but stop"]


async def test_after_a_backchannel_the_reply_goes_on_where_it_was_held(autojump_clock: MockClock) -> None:
    async with preemptive_room(["one", "mhm"], ["This is all of the reply."]) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.2)
        await room.quiet(3)
    sounded = sum(sounded for _, sounded in room.sound) / 100
    spoken = len("This is all of the reply.") * 0.05
    assert spoken <= sounded <= spoken + 0.03
    assert room.published("reply") == [{"turn": 1, "text": "This is all of the reply.", "complete": True}]


async def test_words_over_a_reply_interrupt_it_already_in_the_pause_after_them(autojump_clock: MockClock) -> None:
    async with preemptive_room(["one", "stop"], [LONG, "Fine."]) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(2)
        began = room.now()
        await room.say(0.3)
        await room.quiet(2)
    first = next(done for done in room.published("turn.done") if done["turn"] == 1)
    assert first["reason"] == "barge-in"
    assert first["marks"]["cancelled"] - room.began < began + 0.3 + 0.3


@pytest.mark.parametrize("turns", ["in_order", "exclusive"])
async def test_turns_in_order_work_preemptively_and_are_delivered_in_order(
    autojump_clock: MockClock, turns: Turns
) -> None:
    texts = ["first", "first thing", "second thing"]
    async with open_room(texts, ["One.", "Two."], turns=turns, preemptive=PreemptiveGeneration()) as room:
        await room.speak((1.0, 1.0), (0.4, 0.6))
        await room.speak((1.0,), (0.6,))
        await room.quiet(5)
    assert room.answerer.asked == ["first thing", "second thing"]


async def test_a_stop_word_that_is_known_in_the_pause_stops_when_the_pause_ends_the_turn(
    autojump_clock: MockClock,
) -> None:
    async with open_room(["one", "stop"], [LONG], turns="exclusive", preemptive=PreemptiveGeneration()) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(1)
        began = room.now()
        await room.say(0.5)
        await room.quiet(1)
    assert [done["reason"] for done in room.published("turn.done")] == [CancelReason.STOP_WORD] * 2
    assert room.answerer.asked == ["one"]
    assert max(at for at, sounded in room.sound if sounded) - room.began < began + 0.2  # held, and never heard again


async def test_a_stop_word_followed_by_more_words_does_not_stop(autojump_clock: MockClock) -> None:
    texts = ["work", "stop", "stop by the shop"]
    async with open_room(texts, ["a", "b"], turns="exclusive", preemptive=PreemptiveGeneration()) as room:
        room.answerer.takes_s = 4.0
        await room.say(0.5)
        await room.quiet(1)
        await room.speak((0.3, 1.0), (0.55, 0.6))
        await room.quiet(8)
    assert room.answerer.asked == ["work", "stop by the shop"]
    assert not room.answerer.cancelled


async def test_a_wrong_end_of_turn_is_merged_and_answered_once(autojump_clock: MockClock) -> None:
    texts = ["I would like", "I would like a coffee"]
    async with preemptive_room(texts, ["Yes?", "One coffee."]) as room:
        await room.say(1.0)
        await room.quiet(0.1)  # the reply is not heard yet: it begins 0.8 s after the last word
        await room.say(1.0)
        await room.quiet(3)
    assert [message.text for message in room.conversation.history] == ["I would like a coffee", "One coffee."]
    assert [event["text"] for event in room.published("reply")] == ["One coffee."]


async def test_nothing_is_left_of_a_pause_after_which_the_user_went_on(autojump_clock: MockClock) -> None:
    async with preemptive_room(["I would like", "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((1.0, 1.0), (0.5, 0.1))  # it ends without another pause
        await room.quiet(3)
    marks = room.published("turn.done")[0]["marks"]
    assert "pause" not in marks
    assert round(marks["last_voiced"] - room.began, 3) == 2.5


async def test_merged_speech_is_posted_from_its_beginning_in_each_pause(autojump_clock: MockClock) -> None:
    texts = ["I would", "I would like", "I would like a coffee"]
    async with preemptive_room(texts, ["Yes?", "One coffee."]) as room:
        await room.say(1.0)
        await room.speak((1.0, 1.0), (0.5, 0.6))
        await room.quiet(3)
    lengths = [clip.samples / 16_000 for clip in room.recogniser.clips]
    assert lengths == sorted(lengths)
    assert room.answerer.asked[-1] == "I would like a coffee"
    assert [message.text for message in room.conversation.history] == ["I would like a coffee", "One coffee."]


async def test_a_streaming_recogniser_is_never_used_preemptively(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["First."], preemptive=PreemptiveGeneration(), clips=False) as room:
        await room.say(1.0)
    assert room.recogniser.fed == [clip.samples for clip in room.recogniser.clips]
    assert "pause" not in room.published("turn.done")[0]["marks"]


async def test_a_pause_without_preemptive_work_interrupts_no_stream_to_the_recogniser(
    autojump_clock: MockClock,
) -> None:
    async with open_room(["one"], ["First."], preemptive=PreemptiveGeneration(), clips=False) as room:
        await room.speak((1.0, 1.0), (0.4, 0.6))
    assert room.recogniser.fed == [clip.samples for clip in room.recogniser.clips] == [38_400]
    assert room.published("preemptive.wasted") == []


async def test_the_first_part_of_long_speech_is_not_posted_again_in_later_pauses(autojump_clock: MockClock) -> None:
    async with preemptive_room(["the first piece", "and", "and the second"], ["Done."]) as room:
        await room.say(3.0, continues=True)
        await room.speak((1.0, 1.0), (0.4, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["the first piece and the second"]
    assert len(room.recogniser.clips) == 3


async def test_too_much_waste_pauses_preemptive_generation_with_one_notice(autojump_clock: MockClock) -> None:
    preemptive = PreemptiveGeneration(max_waste=0.3)
    texts: list[str | VoiceloopError] = [f"word {number}" for number in range(60)]
    async with open_room(texts, ["Yes."] * 60, preemptive=preemptive) as room:
        for _ in range(5):
            await room.speak((0.5, 0.5, 0.5), (0.5, 0.5, 0.6))
            await room.quiet(3)
        notices = [event["text"] for event in room.published("notice")]
        assert len(notices) == 1
        assert "preemptive.max_waste" in notices[0]
        posted = len(room.recogniser.clips)
        for _ in range(REST_PAUSES):  # how many are left depends on when it paused itself
            await room.say(0.5)
            await room.quiet(3)
        assert len(room.recogniser.clips) == posted + REST_PAUSES
        wasted = len(room.published("preemptive.wasted"))
        await room.speak((0.5, 0.5), (0.5, 0.6))
        await room.quiet(3)
        assert len(room.published("preemptive.wasted")) == wasted + 1


async def test_what_a_pause_has_wasted_is_published_in_round_figures(autojump_clock: MockClock) -> None:
    preemptive = PreemptiveGeneration()
    async with open_room(["one", "two", "two three"], ["Yes.", "No."], preemptive=preemptive) as room:
        await room.say(1.0)
        await room.quiet(3)
        await room.speak((1.0, 1.0), (0.4, 0.6))
        share = preemptive.share
        await room.quiet(3)
    (event,) = room.published("preemptive.wasted")
    assert event == {"turn": 2, "share": round(share, 3), "requests": 1, "audio_s": 1.0, "cost_usd": 0.001}
    assert event["share"] != share


async def test_noises_for_which_nothing_was_asked_are_no_attempts_that_count(autojump_clock: MockClock) -> None:
    preemptive = PreemptiveGeneration(max_waste=0.0)
    async with open_room(["one", "one two"], ["Yes."], preemptive=preemptive) as room:
        for _ in range(8):
            await room.cough()
            await room.quiet(1)
        await room.speak((1.0, 1.0), (0.4, 0.6))
        await room.quiet(2)
    assert len(room.published("preemptive.wasted")) == 1
    assert preemptive.allowed


async def test_a_replaced_attempt_leaves_no_task_behind(autojump_clock: MockClock) -> None:
    closed: list[str] = []

    @asynccontextmanager
    async def transcription() -> AsyncIterator[object]:
        try:
            yield _SlowTranscription()
        finally:
            closed.append("closed")

    async with preemptive_room([], ["One.", "Two."]) as room:
        vars(room.recogniser)["transcription"] = transcription
        await room.speak((1.0, 1.0, 1.0), (0.4, 0.4, 0.6))
        await room.quiet(8)
    assert closed == ["closed"] * 3


class _SlowTranscription:
    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: object) -> Transcript:
        await trio.sleep(5)
        return Transcript("late", utterance)  # type: ignore[arg-type]
