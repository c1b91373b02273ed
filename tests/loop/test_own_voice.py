"""What the microphone hears of the reply is no turn, in virtual time."""

from __future__ import annotations

from trio.testing import MockClock

from tests.loop.room import open_room
from voiceloop.speculation import Speculation

ANSWER = "The museum opens at nine in the morning and closes at six, except on Mondays."


async def test_a_transcript_that_repeats_the_reply_gives_the_reply_back(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "museum opens at nine in"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.4)
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open"]
    assert [told["text"] for told in room.told("reply")] == [ANSWER]
    assert room.told("echo.dropped") == [{"turn": 2}]
    assert room.conversation.own_voice.dropped == 1
    assert not room.speaker.hushed


async def test_an_echo_that_was_loud_enough_to_end_the_reply_is_still_no_turn(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "museum opens at nine in"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(1.2)
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open"]
    assert [done["reason"] for done in room.told("turn.done")] == ["barge-in", "echo"]


async def test_an_echo_after_the_end_of_the_reply_is_no_turn(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "six, except on Mondays"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(4.4)
        await room.say(0.3)
        await room.quiet(3)
    assert room.answerer.asked == ["when does it open"]


async def test_an_answer_in_the_words_of_the_reply_is_an_answer(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "Mondays"], [ANSWER, "No."]) as room:
        await room.say(1.0)
        await room.quiet(3)
        await room.say(0.3)
        await room.quiet(3)
    assert room.answerer.asked == ["when does it open", "Mondays"]


async def test_the_same_words_long_after_the_reply_are_a_question(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "the museum opens at nine in the morning"]
    async with open_room(texts, ["The museum opens at nine in the morning.", "It does."]) as room:
        await room.say(1.0)
        await room.quiet(8)
        await room.say(2.0)
        await room.quiet(3)
    assert room.answerer.asked == texts


async def test_an_echo_in_a_pause_is_judged_when_it_is_over(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "museum opens at nine", "museum opens at nine you say but why"]
    async with open_room(texts, [ANSWER, "Because."], speculation=Speculation()) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(1)
        await room.speak((0.3, 0.4), (0.4, 0.6))
        await room.quiet(5)
    assert room.answerer.asked == [texts[0], texts[2]]


async def test_what_is_said_beside_an_echo_is_no_longer_beside_anything(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "museum opens at nine in", "okay"]
    async with open_room(texts, [ANSWER, "Fine."]) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.recogniser.takes_s = 2.0
        await room.say(1.2)
        await room.say(0.3)
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open", "okay"]
