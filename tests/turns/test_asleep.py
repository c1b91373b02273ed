"""While dictation sleeps, only speech short enough to be the wake phrase is sent to a service."""

from __future__ import annotations

from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.turns.utterance import WAKING_S


async def test_long_speech_is_not_sent_and_short_speech_is(autojump_clock: MockClock) -> None:
    asleep = [True]
    async with open_room(
        ["wake up"],
        ["yes"],
        turns="in_order",
        handler_preemptive=False,
        preemptive=PreemptiveGeneration(),
        asleep=lambda: asleep[0],
    ) as room:
        await room.say(WAKING_S + 1)
        assert (room.recogniser.clips, room.published("speech.dropped")) == ([], [{}])
        assert (room.recogniser.warmed, room.recogniser.heard) == (0, 0)
        await room.say(1.0)
        assert [clip.duration_s < WAKING_S for clip in room.recogniser.clips] in ([], [True])
    assert room.answerer.asked == ["wake up"]
    assert len(room.recogniser.clips) == 1
    assert room.recogniser.heard == room.recogniser.clips[0].samples


async def test_awake_a_recogniser_is_fed_as_speech_comes(autojump_clock: MockClock) -> None:
    async with open_room(["hello"], ["yes"], preemptive=PreemptiveGeneration()) as room:
        await room.say(WAKING_S + 1)
        assert room.recogniser.heard > 0


async def test_a_pause_in_a_long_talk_does_not_make_a_wake_phrase(autojump_clock: MockClock) -> None:
    async with open_room(
        [], [], turns="in_order", handler_preemptive=False, preemptive=PreemptiveGeneration(), asleep=lambda: True
    ) as room:
        await room.speak((1.0, 3.0), (0.4, 0.6))
    assert room.recogniser.clips == []
