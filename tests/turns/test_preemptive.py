"""Working ahead in pauses, in virtual time: sooner, never seen before it is certain, and thrown away when wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.turns.room import Room, open_room
from voiceloop.errors import RateLimited, VoiceloopError
from voiceloop.plugins import Reply, Turns
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import Message, Transcript

LONG = "This is a rather long answer that goes on for quite a while without an end in sight."


def ahead(texts: Sequence[str | VoiceloopError], replies: Sequence[str]) -> AbstractAsyncContextManager[Room]:
    """A room that works ahead."""
    return open_room(texts, replies, preemptive=PreemptiveGeneration())


def first_sound(room: Room) -> float:
    return next(at for at, sounded in room.sound if sounded) - room.began


async def test_the_clip_is_posted_in_the_pause_and_the_answer_is_ready_when_the_turn_ends(
    autojump_clock: MockClock,
) -> None:
    async with ahead(["what time is it"], ["It is noon."]) as room:
        await room.say(1.0)
        marks_at_end = room.now()
    marks = {name: round(at - room.began, 3) for name, at in room.told("turn.done")[0]["marks"].items()}
    assert marks["last_voiced"] == 1.0
    assert marks["pause"] == marks["post"] == 1.2
    assert (marks["text"], marks["first_text"], marks["first_pcm"]) == (1.5, 1.7, 1.8)
    assert marks["committed"] == round(marks_at_end, 3) == 1.6
    assert len(room.recogniser.clips) == 1
    assert room.told("reply") == [{"turn": 1, "text": "It is noon.", "complete": True}]


async def test_an_answer_that_is_ready_before_the_turn_is_certain_waits_for_it(autojump_clock: MockClock) -> None:
    async with ahead(["what time is it"], ["It is noon."]) as room:
        room.recogniser.takes_s = room.answerer.takes_s = room.voice.takes_s = 0.05
        await room.say(1.0)
        assert room.voice.chunks == ["It is noon."]
        assert not any(sounded for _, sounded in room.sound)
        assert not room.told("transcript")
        assert room.conversation.history == ()
    assert 1.6 <= first_sound(room) <= 1.62


async def test_what_was_made_of_a_pause_is_thrown_away_when_speech_goes_on(autojump_clock: MockClock) -> None:
    async with ahead(["I would like", "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((1.0, 1.0), (0.5, 0.6))
        await room.quiet(3)
    assert len(room.recogniser.clips) == 2
    assert room.recogniser.clips[1].samples > room.recogniser.clips[0].samples + 16_000
    assert [told["text"] for told in room.told("transcript")] == ["I would like a coffee"]
    assert room.conversation.history == (
        Message("user", "I would like a coffee"),
        Message("assistant", "One coffee."),
    )
    assert room.told("preemptive.wasted")[0]["requests"] == 1
    assert room.answerer.asked == ["I would like a coffee"]


async def test_a_handler_asked_too_soon_is_cancelled_and_its_answer_never_heard(autojump_clock: MockClock) -> None:
    async with ahead(["I would like", "I would like a coffee"], ["What?", "One coffee."]) as room:
        room.recogniser.takes_s = 0.05
        room.answerer.takes_s = 0.15
        await room.speak((1.0, 1.0), (0.55, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["I would like", "I would like a coffee"]
    assert room.voice.chunks == ["What?", "One coffee."]
    assert [told["text"] for told in room.told("reply")] == ["One coffee."]
    assert room.told("preemptive.wasted")[0]["requests"] == 3


async def test_only_the_first_chunk_is_spoken_ahead(autojump_clock: MockClock) -> None:
    async with ahead(["go on"], ["This is one sentence. This is another one. And here is a third."]) as room:
        room.recogniser.takes_s = room.answerer.takes_s = room.voice.takes_s = 0.01
        await room.speak((1.0,), (0.6,))
        assert room.voice.chunks == ["This is one sentence."]
        await room.quiet(5)
    assert len(room.voice.chunks) == 3


async def test_nothing_the_world_can_see_is_done_before_it_is_certain(autojump_clock: MockClock) -> None:
    did: list[tuple[str, float]] = []

    async def handle(transcript: Transcript, reply: Reply) -> None:
        await reply.committed()
        did.append((transcript.text, trio.current_time()))

    async with ahead(["open the", "open the door"], []) as room:
        vars(room.answerer)["handle"] = handle
        room.recogniser.takes_s = 0.05
        await room.speak((1.0, 1.0), (0.5, 0.6))
        ended = trio.current_time()
    assert did == [("open the door", ended)]


async def test_a_service_that_fails_in_a_pause_is_told_only_if_the_pause_was_the_end(
    autojump_clock: MockClock,
) -> None:
    async with ahead([RateLimited("busy", status=429), "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((1.0, 1.0), (0.58, 0.6))
        await room.quiet(3)
    assert not room.told("turn.failed")
    assert room.answerer.asked == ["I would like a coffee"]


async def test_a_service_that_fails_in_the_last_pause_is_told_once(autojump_clock: MockClock) -> None:
    async with ahead([RateLimited("busy", status=429), "not asked"], ["no"]) as room:
        await room.say(1.0)
        await room.quiet(3)
    assert len(room.told("turn.failed")) == 1
    assert len(room.recogniser.clips) == 1


async def test_a_pause_without_words_so_far_does_not_end_the_turn(autojump_clock: MockClock) -> None:
    async with ahead(["", "I would like a coffee"], ["One coffee."]) as room:
        await room.speak((0.5, 1.0), (0.55, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["I would like a coffee"]
    assert [done["outcome"] for done in room.told("turn.done")] == ["done"]


async def test_a_listening_noise_that_goes_on_is_judged_whole(autojump_clock: MockClock) -> None:
    async with ahead(["one", "okay", "okay but stop"], [LONG, "Fine."]) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(2)
        await room.speak((0.2, 0.2), (0.4, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["one", "okay but stop"]


async def test_a_listening_noise_gives_the_reply_back_where_it_froze(autojump_clock: MockClock) -> None:
    async with ahead(["one", "mhm"], ["This is all of the reply."]) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.2)
        await room.quiet(3)
    sounded = sum(sounded for _, sounded in room.sound) / 100
    spoken = len("This is all of the reply.") * 0.05
    assert spoken <= sounded <= spoken + 0.03
    assert room.told("reply") == [{"turn": 1, "text": "This is all of the reply.", "complete": True}]


async def test_words_over_a_reply_take_over_in_the_pause_before_they_end(autojump_clock: MockClock) -> None:
    async with ahead(["one", "stop"], [LONG, "Fine."]) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(2)
        began = room.now()
        await room.say(0.3)
        await room.quiet(2)
    first = next(done for done in room.told("turn.done") if done["turn"] == 1)
    assert first["reason"] == "barge-in"
    assert first["marks"]["cancelled"] - room.began < began + 0.3 + 0.3


@pytest.mark.parametrize("turns", ["in_order", "exclusive"])
async def test_turns_in_order_work_ahead_and_are_delivered_in_order(autojump_clock: MockClock, turns: Turns) -> None:
    texts = ["first", "first thing", "second thing"]
    async with open_room(texts, ["One.", "Two."], turns=turns, preemptive=PreemptiveGeneration()) as room:
        await room.speak((1.0, 1.0), (0.4, 0.6))
        await room.speak((1.0,), (0.6,))
        await room.quiet(5)
    assert room.answerer.asked == ["first thing", "second thing"]


async def test_a_stop_word_waits_until_it_is_all_that_was_said(autojump_clock: MockClock) -> None:
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
    async with ahead(texts, ["Yes?", "One coffee."]) as room:
        await room.say(1.0)
        await room.quiet(0.1)  # the reply is not heard yet: it comes 0.8 s after the last word
        await room.say(1.0)
        await room.quiet(3)
    assert [message.text for message in room.conversation.history] == ["I would like a coffee", "One coffee."]
    assert [told["text"] for told in room.told("reply")] == ["One coffee."]


async def test_merged_speech_that_pauses_again_is_posted_whole_each_time(autojump_clock: MockClock) -> None:
    texts = ["I would", "I would like", "I would like a coffee"]
    async with ahead(texts, ["Yes?", "One coffee."]) as room:
        await room.say(1.0)
        await room.speak((1.0, 1.0), (0.5, 0.6))
        await room.quiet(3)
    lengths = [clip.samples / 16_000 for clip in room.recogniser.clips]
    assert lengths == sorted(lengths)
    assert room.answerer.asked[-1] == "I would like a coffee"
    assert [message.text for message in room.conversation.history] == ["I would like a coffee", "One coffee."]


async def test_a_recogniser_that_is_fed_as_speech_comes_never_works_ahead(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["First."], preemptive=PreemptiveGeneration(), clips=False) as room:
        await room.say(1.0)
    assert room.recogniser.fed == [clip.samples for clip in room.recogniser.clips]
    assert "pause" not in room.told("turn.done")[0]["marks"]


async def test_long_speech_that_was_cut_is_posted_once_however_it_pauses(autojump_clock: MockClock) -> None:
    async with ahead(["the first piece", "and", "and the second"], ["Done."]) as room:
        await room.say(3.0, continues=True)
        await room.speak((1.0, 1.0), (0.4, 0.6))
        await room.quiet(3)
    assert room.answerer.asked == ["the first piece and the second"]
    assert len(room.recogniser.clips) == 3


async def test_too_much_waste_pauses_it_and_says_so(autojump_clock: MockClock) -> None:
    preemptive = PreemptiveGeneration(max_waste=0.3)
    texts: list[str | VoiceloopError] = [f"word {number}" for number in range(60)]
    async with open_room(texts, ["Yes."] * 60, preemptive=preemptive) as room:
        for _ in range(5):
            await room.speak((0.5, 0.5, 0.5), (0.5, 0.5, 0.6))
            await room.quiet(3)
    notices = [told["text"] for told in room.told("notice")]
    assert len(notices) == 1
    assert "preemptive.max_waste" in notices[0]


async def test_a_replaced_attempt_leaves_no_task_behind(autojump_clock: MockClock) -> None:
    left: list[str] = []

    @asynccontextmanager
    async def transcription() -> AsyncIterator[object]:
        try:
            yield _Slow()
        finally:
            left.append("closed")

    async with ahead([], ["One.", "Two."]) as room:
        vars(room.recogniser)["transcription"] = transcription
        await room.speak((1.0, 1.0, 1.0), (0.4, 0.4, 0.6))
        await room.quiet(8)
    assert left == ["closed"] * 3


class _Slow:
    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: object) -> Transcript:
        await trio.sleep(5)
        return Transcript("late", utterance)  # type: ignore[arg-type]
