"""What a turn tells the journal, and when, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio
from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.config.tables import Conversation as Settings
from voiceloop.errors import OutOfCredits
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CancelReason, Transcript, Utterance


@dataclass
class Diary:
    """A journal that takes `takes_s` for each utterance, and remembers what it was told."""

    takes_s: float = 0.0
    told: list[tuple[int, str]] = field(default_factory=list)

    def turn(self, number: int) -> Page:
        return Page(self, number)


@dataclass
class Page:
    diary: Diary
    number: int
    safe_at: float = 0.0

    def paused(self, clip: Utterance) -> None:
        self._keep("paused")

    def heard(self, utterance: Utterance) -> None:
        self._keep("heard")

    async def safe(self) -> None:
        await trio.sleep_until(self.safe_at)
        self._tell("safe")

    def transcribed(self, transcript: Transcript) -> None:
        self._tell(transcript.text)

    async def delivering(self) -> None:
        if (self.number, "delivering") not in self.diary.told:
            self._tell("delivering")
        await trio.lowlevel.checkpoint()

    def over(self) -> None:
        self._tell("over")

    def left(self, reason: str) -> None:
        self._tell(f"left: {reason}")

    def _keep(self, what: str) -> None:
        self.safe_at = trio.current_time() + self.diary.takes_s
        self._tell(what)

    def _tell(self, what: str) -> None:
        self.diary.told.append((self.number, what))


async def test_an_utterance_is_kept_before_it_is_posted_and_noted_before_it_is_delivered(
    autojump_clock: MockClock,
) -> None:
    diary = Diary(takes_s=5.0)
    async with open_room(["one"], ["done"], turns="in_order", handler_preemptive=False, journal=diary) as room:
        await room.say(1.0)
        await room.quiet(4.9)
        assert (room.recogniser.clips, diary.told) == ([], [(1, "paused"), (1, "heard")])
        await room.quiet(0.3)
        assert len(room.recogniser.clips) == 1
    assert [what for _, what in diary.told] == ["paused", "heard", "safe", "one", "delivering", "over"]


async def test_what_is_posted_in_a_pause_is_kept_before(autojump_clock: MockClock) -> None:
    diary = Diary(takes_s=0.05)
    async with open_room(
        ["on", "one"],
        ["done"],
        turns="in_order",
        handler_preemptive=False,
        journal=diary,
        preemptive=PreemptiveGeneration(),
    ) as room:
        await room.speak((1.0, 0.5), (0.3, 0.6))
    assert [what for _, what in diary.told][:4] == ["paused", "safe", "paused", "safe"]
    assert len(room.recogniser.clips) == 2


async def test_text_that_is_known_at_the_end_of_the_pause_is_not_paid_for_twice(autojump_clock: MockClock) -> None:
    diary = Diary()
    texts, ahead = ["one"], PreemptiveGeneration()
    async with open_room(
        texts, ["done"], turns="in_order", handler_preemptive=False, journal=diary, preemptive=ahead, takes_s=0.1
    ) as room:
        await room.say(1.0)
    assert [what for _, what in diary.told] == ["paused", "safe", "heard", "one", "delivering", "over"]
    assert len(room.recogniser.clips) == 1


async def test_a_text_that_waits_for_an_earlier_turn_is_stored_meanwhile(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with open_room(["one", "two"], ["a", "b"], turns="in_order", handler_preemptive=False, journal=diary) as room:
        room.answerer.takes_s = 10
        await room.say(1.0)
        await room.say(1.0)
        await room.quiet(1.0)
        assert [what for turn, what in diary.told if turn == 2] == ["paused", "heard", "safe", "two"]
    assert [what for turn, what in diary.told if turn == 2][4:] == ["delivering", "over"]


async def test_what_a_service_refused_is_left(autojump_clock: MockClock) -> None:
    diary = Diary()
    refused = OutOfCredits("no money", place="here")
    async with open_room([refused, "two"], ["b"], turns="in_order", handler_preemptive=False, journal=diary) as room:
        await room.say(1.0)
        await room.say(1.0)
    assert [what for turn, what in diary.told if turn == 1] == ["paused", "heard", "safe", "left: here: no money"]
    assert [what for turn, what in diary.told if turn == 2] == ["paused", "heard", "safe", "two", "delivering", "over"]


async def test_a_noise_is_forgotten(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with open_room(["..."], [], turns="in_order", handler_preemptive=False, journal=diary) as room:
        await room.say(0.3)
    assert [what for _, what in diary.told] == ["paused", "heard", "safe", "over"]


async def test_what_the_user_calls_off_is_forgotten_and_what_the_end_cuts_off_is_left(
    autojump_clock: MockClock,
) -> None:
    diary = Diary()
    for reason in (CancelReason.WITHDRAWN, CancelReason.ENDING):
        async with open_room(
            ["one"], ["a"], turns="in_order", handler_preemptive=False, journal=diary, takes_s=5
        ) as room:
            await room.say(1.0)
            await room.quiet(0.1)
            room.conversation.stop(reason)
    assert [what for _, what in diary.told] == [
        "paused",
        "heard",
        "safe",
        "over",
        "paused",
        "heard",
        "safe",
        "left: told to end",
    ]


async def test_what_is_said_when_too_much_waits_is_left_and_not_lost(autojump_clock: MockClock) -> None:
    diary = Diary()
    settings = Settings(waiting=1)
    async with open_room(
        ["one"], ["a"], turns="in_order", handler_preemptive=False, journal=diary, settings=settings
    ) as room:
        room.answerer.takes_s = 10
        await room.say(1.0)
        await room.say(1.0)
    assert [what.partition(":")[0] for turn, what in diary.told if turn == 2] == ["heard", "left"]


async def test_a_text_that_comes_too_late_is_shown_and_left_and_the_next_is_written(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with open_room(["one", "two"], ["done"], turns="in_order", handler_preemptive=False, journal=diary) as room:
        room.answerer.late_s = 5.0
        room.recogniser.takes_s = 6.0
        await room.say(1.0)
        await room.quiet(7.0)
        room.recogniser.takes_s = 3.0
        await room.say(1.0)
    assert room.answerer.asked == ["two"]
    assert [shown["text"] for shown in room.told("transcript")] == ["one", "two"]
    told = "the text came 7 s after it was said, and is not typed. 'voiceloop transcribe --pending' writes it down"
    assert [what for turn, what in diary.told if turn == 1] == ["paused", "heard", "safe", "one", f"left: {told}"]
    assert [what for turn, what in diary.told if turn == 2] == ["paused", "heard", "safe", "two", "delivering", "over"]
