"""What the microphone hears of the reply is no turn, in virtual time."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import cast

import numpy as np
from trio.testing import MockClock

from tests.turns.room import Room, open_room
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.segmenter import SpeechAudio, SpeechEnded, SpeechPaused, SpeechStarted
from voiceloop.playback.tap import Tap
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CAPTURE_RATE_HZ, Utterance

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
    assert not room.speaker.held


async def test_an_echo_that_was_loud_enough_to_end_the_reply_is_still_no_turn(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "museum opens at nine in"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.9)  # it stops when the reply does, but for the room
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


async def test_who_repeats_the_reply_back_to_it_is_heard(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "opens at nine in the morning?"]
    async with open_room(texts, ["The museum opens at nine in the morning.", "Yes."]) as room:
        await room.say(1.0)
        await room.quiet(2.7)  # the reply ends 2.6 s after the turn did
        await room.say(1.6)
        await room.quiet(3)
    assert room.answerer.asked == texts


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
    async with open_room(texts, [ANSWER, "Because."], preemptive=PreemptiveGeneration()) as room:
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
        await room.say(0.9)
        await room.say(0.3)
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open", "okay"]


class Sounding:
    """What the loudspeaker took: noise, as it might be a voice."""

    def __init__(self, seed: int) -> None:
        sound = np.random.default_rng(seed).standard_normal(CAPTURE_RATE_HZ * 2) * 3000
        self.pcm = np.rint(sound).astype("<i2").tobytes()

    def recent(self, seconds: float) -> tuple[bytes, int]:
        return self.pcm, CAPTURE_RATE_HZ


REPLY, USER = Sounding(1), Sounding(2)


async def over_the_reply(room: Room, sound: Sounding, seconds: float) -> None:
    """`sound` is at the microphone for so long, and then 0.6 s of nothing."""
    start, pcm = room.index, sound.pcm[-2 * round(seconds * CAPTURE_RATE_HZ) :]
    await room.quiet(0.12)
    room.conversation.on(SpeechStarted(start, start, room.index, pcm[:3840]))
    for at in range(3840, len(pcm), 640):
        await room.quiet(0.02)
        room.conversation.on(SpeechAudio(pcm[at : at + 640], room.index))
    voiced_end = room.index
    await room.quiet(0.2)
    room.conversation.on(SpeechPaused(room.index, voiced_end, Utterance(pcm, start, voiced_end)))
    await room.quiet(0.4)
    room.conversation.on(SpeechEnded(Utterance(pcm, start, voiced_end)))


def answering() -> AbstractAsyncContextManager[Room]:
    texts = ["when does it open", "and on Sundays"]
    return open_room(texts, [ANSWER, "Then too."], preemptive=PreemptiveGeneration(), played=cast(Tap, REPLY))


async def test_a_copy_of_what_is_played_is_never_posted_and_gives_the_reply_back(autojump_clock: MockClock) -> None:
    async with answering() as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, REPLY, 0.4)
        await room.quiet(5)
    assert len(room.recogniser.clips) == 1
    assert room.told("echo.dropped") == [{"turn": 2}]
    assert [told["complete"] for told in room.told("reply")] == [True]


async def test_a_reply_that_hears_itself_goes_on_however_long_it_does(autojump_clock: MockClock) -> None:
    async with answering() as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, REPLY, 1.5)
        before = room.now()
        room.conversation.early_voice(EarlyVoice.LIKELY)
        await over_the_reply(room, REPLY, 0.4)
        sounded = [sounded for at, sounded in room.sound if at - room.began > before + 0.02]
        assert all(sounded[:50])
        await room.quiet(5)
    assert room.answerer.asked == ["when does it open"]
    assert [told["complete"] for told in room.told("reply")] == [True]


async def test_a_reply_that_hears_itself_still_yields_to_another_voice(autojump_clock: MockClock) -> None:
    async with answering() as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, REPLY, 0.4)
        await over_the_reply(room, USER, 1.0)
        await room.quiet(5)
    assert room.answerer.asked == ["when does it open", "and on Sundays"]
    assert [done["reason"] for done in room.told("turn.done") if done["turn"] == 1] == ["barge-in"]


async def test_an_echo_that_outlasts_its_reply_is_not_posted_either(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "and on Sundays"]
    async with open_room(
        texts, ["At nine.", "Then too."], preemptive=PreemptiveGeneration(), played=cast(Tap, REPLY)
    ) as room:
        await room.say(1.0)
        await room.quiet(0.9)  # the reply has but a moment left
        await over_the_reply(room, REPLY, 0.6)
        await room.quiet(3)
    assert len(room.recogniser.clips) == 1
    assert len(room.told("echo.dropped")) == 1
