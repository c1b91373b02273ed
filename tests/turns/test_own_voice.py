"""The residual echo of a reply is no turn of the user, in virtual time."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from trio.testing import MockClock

from tests.turns.room import Room, open_room
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.speech_events import SpeechAudio, SpeechEnded, SpeechPaused, SpeechStarted
from voiceloop.playback.tap import Tap
from voiceloop.turns.context import TurnContext
from voiceloop.turns.own_voice import OwnVoice
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Utterance

ANSWER = "The museum opens at nine in the morning and closes at six, except on Mondays."


async def test_the_reply_goes_on_after_a_transcript_that_repeats_it(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "museum opens at nine in"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.4)
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open"]
    assert [event["text"] for event in room.published("reply")] == [ANSWER]
    assert room.published("echo.dropped") == [{"turn": 2}]
    assert room.conversation.own_voice.dropped == 1
    assert not room.speaker.held


async def test_an_echo_long_enough_to_cancel_the_reply_is_still_no_turn(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "museum opens at nine in"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(0.9)  # the echo stops when the reply does, except for the reverberation
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open"]
    assert [done["reason"] for done in room.published("turn.done")] == ["barge-in", "echo"]


async def test_a_user_who_interrupts_with_words_of_the_reply_and_speaks_on_is_answered(
    autojump_clock: MockClock,
) -> None:
    texts = ["when does it open", "opens at nine in the morning"]
    async with open_room(texts, [ANSWER, "Yes."]) as room:
        await room.say(1.0)
        await room.quiet(1)
        await room.say(2.0)  # an echo would have ended with the reply
        await room.quiet(3)
    assert [done["reason"] for done in room.published("turn.done")] == ["barge-in", ""]
    assert room.answerer.asked == texts


async def test_an_echo_after_the_end_of_the_reply_is_no_turn(autojump_clock: MockClock) -> None:
    async with open_room(["when does it open", "six, except on Mondays"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(4.4)
        await room.say(0.3)
        await room.quiet(3)
    assert room.answerer.asked == ["when does it open"]


async def test_an_echo_whose_words_are_known_in_the_pause_is_no_turn(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "six, except on Mondays"]
    async with open_room(texts, [ANSWER], preemptive=PreemptiveGeneration()) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(3.9)  # the reply has just ended
        await room.say(0.3)
        await room.quiet(3)
    assert room.answerer.asked == ["when does it open"]
    assert [done["reason"] for done in room.published("turn.done")] == ["", "echo"]


async def test_an_echo_of_what_was_on_its_way_to_the_air_when_the_reply_was_discarded_is_no_turn(
    autojump_clock: MockClock,
) -> None:
    async with open_room(["when does it open", "museum opens at nine in"], [ANSWER]) as room:
        room.speaker.latency_s = 0.6
        await room.say(1.0)
        await room.quiet(1.5)
        room.conversation.stop(CancelReason.WITHDRAWN)
        await room.say(0.8)
        await room.quiet(3)
    assert room.answerer.asked == ["when does it open"]
    assert [done["reason"] for done in room.published("turn.done")] == ["withdrawn", "echo"]


async def test_a_user_who_repeats_the_reply_after_its_end_is_answered(autojump_clock: MockClock) -> None:
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


async def test_an_echo_with_the_users_words_after_it_is_a_turn(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "museum opens at nine", "museum opens at nine you say but why"]
    async with open_room(texts, [ANSWER, "Because."], preemptive=PreemptiveGeneration()) as room:
        room.recogniser.takes_s = 0.05
        await room.say(1.0)
        await room.quiet(1)
        await room.speak((0.3, 0.4), (0.4, 0.6))
        await room.quiet(5)
    assert room.answerer.asked == [texts[0], texts[2]]


async def test_a_short_word_after_an_echo_is_a_turn(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "museum opens at nine in", "okay"]
    async with open_room(texts, [ANSWER, "Fine."]) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.recogniser.takes_s = 2.0
        await room.say(0.9)
        await room.say(0.3)
        await room.quiet(6)
    assert room.answerer.asked == ["when does it open", "okay"]


class FakeTap:
    """A tap with two seconds of noise as the audio that was played."""

    def __init__(self, seed: int) -> None:
        sound = np.random.default_rng(seed).standard_normal(CAPTURE_RATE_HZ * 2) * 3000
        self.pcm = np.rint(sound).astype("<i2").tobytes()

    def recent(self, seconds: float) -> tuple[bytes, int]:
        return self.pcm, CAPTURE_RATE_HZ


REPLY, USER, OTHER = FakeTap(1), FakeTap(2), FakeTap(3)


async def over_the_reply(room: Room, sound: FakeTap, seconds: float) -> None:
    """Let the microphone hear `sound` for `seconds`, and then 0.6 s of silence."""
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


def room_with_tap() -> AbstractAsyncContextManager[Room]:
    texts = ["when does it open", "and on Sundays"]
    return open_room(texts, [ANSWER, "Then too."], preemptive=PreemptiveGeneration(), played=cast(Tap, REPLY))


@dataclass
class FakeRaw:
    """The raw microphone: what it heard, and who else may be in it."""

    heard: FakeTap
    other_share: float = 0.0

    def recent(self, samples: int) -> bytes:
        return self.heard.pcm[-2 * samples :]


def room_with(raw: FakeRaw) -> AbstractAsyncContextManager[Room]:
    """A room whose canceller leaves something that is not like the reply."""
    texts = ["when does it open", "and on Sundays"]
    played = cast(Tap, REPLY)
    return open_room(texts, [ANSWER, "Then too."], preemptive=PreemptiveGeneration(), played=played, raw=raw)


async def test_what_the_canceller_leaves_of_the_reply_is_known_by_the_raw_microphone(
    autojump_clock: MockClock,
) -> None:
    raw = FakeRaw(heard=OTHER)
    async with room_with(raw) as room:
        await room.say(1.0)
        await room.quiet(1)
        raw.heard = REPLY
        await over_the_reply(room, USER, 1.0)
        await room.quiet(5)
    assert len(room.recogniser.clips) == 1
    assert room.published("echo.dropped") == [{"turn": 2}]


async def test_a_user_whom_the_raw_microphone_surely_hears_over_the_echo_interrupts(autojump_clock: MockClock) -> None:
    raw = FakeRaw(heard=OTHER, other_share=0.6)
    async with room_with(raw) as room:
        await room.say(1.0)
        await room.quiet(1)
        raw.heard = REPLY
        await over_the_reply(room, USER, 1.0)
        await room.quiet(5)
    assert room.answerer.asked == ["when does it open", "and on Sundays"]


@pytest.mark.parametrize(("other_share", "answered"), [(0.0, 1), (0.4, 1), (0.6, 2)])
async def test_short_speech_that_stops_with_the_reply_was_the_reply_unless_somebody_was_surely_heard(
    autojump_clock: MockClock, other_share: float, answered: int
) -> None:
    async with room_with(FakeRaw(heard=OTHER, other_share=other_share)) as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, USER, 0.25)
        await room.quiet(5)
    assert len(room.answerer.asked) == answered
    assert len(room.published("echo.dropped")) == 2 - answered
    assert room.published("reply")[0]["complete"] == (answered == 1)


async def test_a_word_of_half_a_second_is_a_word(autojump_clock: MockClock) -> None:
    async with room_with(FakeRaw(heard=OTHER)) as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, USER, 0.5)
        await room.quiet(5)
    assert room.answerer.asked == ["when does it open", "and on Sundays"]


async def test_a_loop_that_hears_itself_again_and_again_becomes_half_duplex_and_says_so(
    autojump_clock: MockClock,
) -> None:
    switched: list[bool] = []
    answers = ["when does it open", *(f"question {number}" for number in range(8))]
    raw = FakeRaw(heard=OTHER)
    async with open_room(answers, [ANSWER] * 9, played=cast(Tap, REPLY), raw=raw, half_duplex=switched.append) as room:
        for _ in range(3):
            await room.say(1.0)
            await room.quiet(1)
            await over_the_reply(room, USER, 0.25)  # what the canceller leaves of it
            await room.quiet(8)
        levels = [event["level"] for event in room.published("echo.caution")]
        assert levels == ["strict", "half_duplex"]
        assert switched == [False, True]
        for _ in range(3):
            await room.say(1.0)
            await room.quiet(9)
    assert switched == [False, True, False]
    told = [str(event["text"]) for event in room.published("notice")]
    assert [text.partition(":")[0] for text in told] == ["audio.echo"] * 2


async def test_while_it_is_strict_a_short_word_does_not_interrupt(autojump_clock: MockClock) -> None:
    raw = FakeRaw(heard=OTHER)
    texts = ["when does it open", "and on Mondays", "and on Sundays", "no"]
    async with open_room(texts, [ANSWER] * 4, played=cast(Tap, REPLY), raw=raw) as room:
        for other_share in (0.0, 0.0, 0.9):
            raw.other_share = other_share
            await room.say(1.0)
            await room.quiet(1)
            await over_the_reply(room, USER, 0.25)
            await room.quiet(8)
    assert room.answerer.asked == texts[:3]
    assert len(room.published("echo.dropped")) == 3


async def test_an_exact_echo_is_never_posted_and_the_reply_goes_on(autojump_clock: MockClock) -> None:
    async with room_with_tap() as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, REPLY, 0.4)
        await room.quiet(5)
    assert len(room.recogniser.clips) == 1
    assert room.published("echo.dropped") == [{"turn": 2}]
    assert [event["complete"] for event in room.published("reply")] == [True]


async def test_a_reply_goes_on_over_an_exact_echo_of_any_length(autojump_clock: MockClock) -> None:
    async with room_with_tap() as room:
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
    assert [event["complete"] for event in room.published("reply")] == [True]


async def test_a_user_can_interrupt_a_reply_after_an_exact_echo(autojump_clock: MockClock) -> None:
    async with room_with_tap() as room:
        await room.say(1.0)
        await room.quiet(1)
        await over_the_reply(room, REPLY, 0.4)
        await over_the_reply(room, USER, 1.0)
        await room.quiet(5)
    assert room.answerer.asked == ["when does it open", "and on Sundays"]
    assert [done["reason"] for done in room.published("turn.done") if done["turn"] == 1] == ["barge-in"]


async def test_an_exact_echo_that_outlasts_its_reply_is_not_posted(autojump_clock: MockClock) -> None:
    texts = ["when does it open", "and on Sundays"]
    async with open_room(
        texts, ["At nine.", "Then too."], preemptive=PreemptiveGeneration(), played=cast(Tap, REPLY)
    ) as room:
        await room.say(1.0)
        await room.quiet(0.9)  # the reply is nearly over
        await over_the_reply(room, REPLY, 0.6)
        await room.quiet(3)
    assert len(room.recogniser.clips) == 1
    assert len(room.published("echo.dropped")) == 1


def test_only_the_last_two_seconds_of_speech_are_kept_and_compared_with_what_was_played() -> None:
    asked: list[float] = []

    def recent(seconds: float) -> tuple[bytes, int]:
        asked.append(seconds)
        return b"", CAPTURE_RATE_HZ

    own_voice = OwnVoice(cast(TurnContext, SimpleNamespace(played=SimpleNamespace(recent=recent), raw=None)))
    own_voice.begin(bytes(2 * 1_600))
    assert not own_voice.copies()
    for _ in range(100):
        own_voice.feed(bytes(2 * 1_600))
    assert not own_voice.copies()
    assert asked == [0.1 + 0.5, 2.0 + 0.5]  # an echo may come half a second late
