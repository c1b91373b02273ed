"""Ducking and holding a reply on early voice, and undoing it when no speech follows."""

from __future__ import annotations

from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.turns.ducking import DUCKED

ANSWER = "This is all of the reply."


async def test_possible_voice_ducks_the_reply_until_it_is_withdrawn(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        await room.quiet(0.1)
        assert room.sounding()
        assert room.speaker.gain == DUCKED
        room.conversation.early_voice(EarlyVoice.NONE)
        assert room.speaker.gain == 1.0
        await room.quiet(3)
    assert [name for name, _ in room.events if name in {"ducked", "held", "resumed"}] == ["ducked", "resumed"]
    sounded = sum(sounded for _, sounded in room.sound) / 100
    assert sounded <= len(ANSWER) * 0.05 + 0.03  # ducked, not held


async def test_nothing_is_ducked_while_nothing_sounds(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [ANSWER]) as room:
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        assert room.speaker.gain == 1.0
        await room.say(1.0)
        assert room.speaker.gain == 1.0
        room.conversation.early_voice(EarlyVoice.NONE)


async def test_likely_voice_holds_the_reply_which_goes_on_where_it_was_held(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.conversation.early_voice(EarlyVoice.LIKELY)
        await room.quiet(0.3)
        assert not room.sounding()
        room.conversation.early_voice(EarlyVoice.NONE)
        await room.quiet(3)
    sounded = sum(sounded for _, sounded in room.sound) / 100
    assert len(ANSWER) * 0.05 <= sounded <= len(ANSWER) * 0.05 + 0.03
    assert room.published("reply")[0]["complete"]


async def test_a_reply_does_not_begin_during_early_voice(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [ANSWER]) as room:
        await room.say(1.0)
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        await room.quiet(2)
        assert not any(sounded for _, sounded in room.sound)
        room.conversation.early_voice(EarlyVoice.NONE)
        await room.quiet(0.1)
        assert room.sounding()


async def test_after_a_cancelled_reply_the_next_one_is_not_ducked(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], [ANSWER, ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        await room.quiet(0.05)
        await room.say(1.0)
        room.conversation.early_voice(EarlyVoice.NONE)
        await room.quiet(1)
        assert room.sounding()
        assert room.speaker.gain == 1.0


async def test_the_time_of_a_hold_is_that_of_its_beginning(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [ANSWER]) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.conversation.early_voice(EarlyVoice.LIKELY)
        held_at = room.conversation._ducking.held_at
        assert held_at == room.began + room.now()
        await room.quiet(0.1)
        room.conversation.early_voice(EarlyVoice.NONE)
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        assert room.conversation._ducking.held_at == held_at
        room.conversation.early_voice(EarlyVoice.NONE)
        await room.quiet(3)


async def test_signs_of_voice_do_not_open_a_loudspeaker_that_was_closed(autojump_clock: MockClock) -> None:
    """The device is closed after a silence, and opened when there is something to play, or somebody speaks."""
    async with open_room(["one"], [ANSWER]) as room:
        opened = list[float]()
        room.speaker.on_ready = lambda: opened.append(room.now())
        for voice in (EarlyVoice.POSSIBLE, EarlyVoice.NONE, EarlyVoice.LIKELY, EarlyVoice.NONE):
            room.conversation.early_voice(voice)
            await room.quiet(0.1)
        assert opened == []
        await room.say(1.0)
        await room.quiet(3)
        assert opened
        before = len(opened)
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        room.conversation.early_voice(EarlyVoice.NONE)
        assert len(opened) == before


async def test_the_end_of_speech_opens_a_loudspeaker_that_was_closed_meanwhile(autojump_clock: MockClock) -> None:
    """Else it would be opened together with the first sound of the reply, whose echo would be unknown."""
    async with open_room(["one"], [ANSWER]) as room:
        opened = list[float]()
        room.speaker.on_ready = lambda: opened.append(room.now())
        await room.say(4.0)
        assert opened[-1] > 4.0
        assert not room.speaker.ring.written, "nothing of the reply is there yet"
        await room.quiet(3)


async def test_a_reply_that_waited_for_a_false_sign_of_voice_opens_the_loudspeaker(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [ANSWER]) as room:
        await room.say(1.0)
        room.conversation.early_voice(EarlyVoice.POSSIBLE)
        await room.quiet(2)
        opened = list[float]()
        room.speaker.on_ready = lambda: opened.append(room.now())
        room.conversation.early_voice(EarlyVoice.NONE)
        assert opened
