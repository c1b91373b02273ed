"""What the endpointer is told of each pause: that words are awaited, which they were, and that a pause was no end."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.capture.endpointing.messages import Message, PauseMissed, TextAwaited, TextKnown
from voiceloop.errors import RateLimited, VoiceloopError
from voiceloop.turns.pauses import Pauses
from voiceloop.turns.preemptive import Asked, PreemptiveGeneration
from voiceloop.types import CancelReason


async def test_a_pause_waits_for_its_words_and_then_knows_them(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    async with open_room(["what time"], ["Noon."], preemptive=PreemptiveGeneration(), tell=told.append) as room:
        await room.say(1.0)
    assert told == [TextAwaited(16_000), TextKnown("what time", at=16_000, language=None)]


async def test_a_pause_whose_words_fail_has_none(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    texts: list[str | VoiceloopError] = [RateLimited("busy", status=429)]
    async with open_room(texts, [], preemptive=PreemptiveGeneration(), tell=told.append) as room:
        await room.say(1.0)
    assert told == [TextAwaited(16_000), TextKnown("", at=16_000, language=None)]


async def test_without_preemptive_work_no_words_are_awaited(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    async with open_room(["what time"], ["Noon."], tell=told.append) as room:
        await room.say(1.0)
    assert told == []


async def test_a_merge_shows_that_the_pause_was_no_end(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    texts = ["I would like", "a coffee"]
    async with open_room(texts, ["Yes?", "One coffee."], tell=told.append) as room:
        await room.say(1.0)
        await room.quiet(0.1)
        onset = room.index
        await room.say(1.0)
        await room.quiet(3)
    assert told == [PauseMissed(start=16_000, at=onset)]


async def test_a_barge_in_is_no_pause(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    async with open_room(["one", "two"], ["A long answer that goes on and on.", "Two."], tell=told.append) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(1.0)
        await room.quiet(3)
    assert [done["reason"] for done in room.published("turn.done")] == ["barge-in", ""]
    assert told == []


async def test_a_command_in_a_pause_without_preemptive_work_tells_nothing(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    async with open_room([], [], tell=told.append) as room, trio.open_nursery() as nursery:
        nursery.start_soon(room.say, 1.0)
        await trio.sleep(1.4)
        room.conversation.stop(CancelReason.WITHDRAWN)
    assert told == []


async def test_a_command_in_a_pause_ends_the_wait_for_its_words(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    async with (
        open_room(["what time"], [], preemptive=PreemptiveGeneration(), tell=told.append) as room,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(room.say, 1.0)
        await trio.sleep(1.4)
        room.conversation.stop(CancelReason.WITHDRAWN)
    assert told == [TextAwaited(16_000), TextKnown("", at=16_000, language=None)]


def test_only_pauses_in_which_there_could_be_work_shorten_the_time_without_it() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.0)
    for _ in range(5):
        preemptive.waste([Asked("transcribe", 1.0)])
    pauses = Pauses(lambda message: None, preemptive, None)
    pauses.start(0)
    for number in range(1, 21):
        pauses.begin(number * 1_000, may_work=False)
        pauses.resume(number * 1_000 + 500)
    assert preemptive.resting
    for number in range(21, 31):
        assert preemptive.resting
        pauses.begin(number * 1_000, may_work=True)
        pauses.resume(number * 1_000 + 500)
    assert not preemptive.resting


async def test_of_a_transcriber_that_puts_marks_after_anything_none_counts(autojump_clock: MockClock) -> None:
    told: list[Message] = []
    preemptive = PreemptiveGeneration()
    async with open_room(["what time."], ["Noon."], preemptive=preemptive, tell=told.append, punctuates=False) as room:
        await room.say(1.0)
    assert told[-1] == TextKnown("what time.", at=16_000, language=None, punctuated=False)
