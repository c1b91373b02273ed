"""The calls that a turn makes to the journal, and when, in virtual time."""

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
class FakeJournal:
    """A journal that takes `takes_s` to save each utterance, and records its calls."""

    takes_s: float = 0.0
    calls: list[tuple[int, str]] = field(default_factory=list)

    def turn(self, number: int) -> FakePage:
        return FakePage(self, number)


@dataclass
class FakePage:
    journal: FakeJournal
    number: int
    safe_at: float = 0.0

    def paused(self, clip: Utterance) -> None:
        self._save("paused")

    def heard(self, utterance: Utterance) -> None:
        self._save("heard")

    async def safe(self) -> None:
        await trio.sleep_until(self.safe_at)
        self._record("safe")

    def transcribed(self, transcript: Transcript) -> None:
        self._record(transcript.text)

    async def delivering(self) -> None:
        if (self.number, "delivering") not in self.journal.calls:
            self._record("delivering")
        await trio.lowlevel.checkpoint()

    def over(self) -> None:
        self._record("over")

    def left(self, reason: str) -> None:
        self._record(f"left: {reason}")

    def _save(self, what: str) -> None:
        self.safe_at = trio.current_time() + self.journal.takes_s
        self._record(what)

    def _record(self, what: str) -> None:
        self.journal.calls.append((self.number, what))


async def test_an_utterance_is_saved_before_it_is_posted_and_marked_before_it_is_delivered(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal(takes_s=5.0)
    async with open_room(["one"], ["done"], turns="in_order", handler_preemptive=False, journal=journal) as room:
        await room.say(1.0)
        await room.quiet(4.9)
        assert (room.recogniser.clips, journal.calls) == ([], [(1, "paused"), (1, "heard")])
        await room.quiet(0.3)
        assert len(room.recogniser.clips) == 1
    assert [what for _, what in journal.calls] == ["paused", "heard", "safe", "one", "delivering", "over"]


async def test_a_clip_posted_in_a_pause_is_saved_first(autojump_clock: MockClock) -> None:
    journal = FakeJournal(takes_s=0.05)
    async with open_room(
        ["on", "one"],
        ["done"],
        turns="in_order",
        handler_preemptive=False,
        journal=journal,
        preemptive=PreemptiveGeneration(),
    ) as room:
        await room.speak((1.0, 0.5), (0.3, 0.6))
    assert [what for _, what in journal.calls][:4] == ["paused", "safe", "paused", "safe"]
    assert len(room.recogniser.clips) == 2


async def test_a_transcript_known_at_the_end_of_the_pause_is_not_requested_again(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    texts, preemptive = ["one"], PreemptiveGeneration()
    async with open_room(
        texts, ["done"], turns="in_order", handler_preemptive=False, journal=journal, preemptive=preemptive, takes_s=0.1
    ) as room:
        await room.say(1.0)
    assert [what for _, what in journal.calls] == ["paused", "safe", "heard", "one", "delivering", "over"]
    assert len(room.recogniser.clips) == 1


async def test_a_transcript_that_waits_for_an_earlier_turn_is_saved_meanwhile(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    async with open_room(
        ["one", "two"], ["a", "b"], turns="in_order", handler_preemptive=False, journal=journal
    ) as room:
        room.answerer.takes_s = 10
        await room.say(1.0)
        await room.say(1.0)
        await room.quiet(1.0)
        assert [what for turn, what in journal.calls if turn == 2] == ["paused", "heard", "safe", "two"]
    assert [what for turn, what in journal.calls if turn == 2][4:] == ["delivering", "over"]


async def test_speech_that_a_service_refused_is_left_in_the_journal(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    refused = OutOfCredits("no money", place="here")
    async with open_room([refused, "two"], ["b"], turns="in_order", handler_preemptive=False, journal=journal) as room:
        await room.say(1.0)
        await room.say(1.0)
    assert [what for turn, what in journal.calls if turn == 1] == ["paused", "heard", "safe", "left: here: no money"]
    assert [what for turn, what in journal.calls if turn == 2] == [
        "paused",
        "heard",
        "safe",
        "two",
        "delivering",
        "over",
    ]


async def test_a_noise_is_removed_from_the_journal(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    async with open_room(["..."], [], turns="in_order", handler_preemptive=False, journal=journal) as room:
        await room.say(0.3)
    assert [what for _, what in journal.calls] == ["paused", "heard", "safe", "over"]


async def test_a_withdrawn_turn_is_removed_and_one_cut_off_by_the_end_of_the_program_is_left(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()
    for reason in (CancelReason.WITHDRAWN, CancelReason.ENDING):
        async with open_room(
            ["one"], ["a"], turns="in_order", handler_preemptive=False, journal=journal, takes_s=5
        ) as room:
            await room.say(1.0)
            await room.quiet(0.1)
            room.conversation.stop(reason)
    assert [what for _, what in journal.calls] == [
        "paused",
        "heard",
        "safe",
        "over",
        "paused",
        "heard",
        "safe",
        "left: told to end",
    ]


async def test_speech_refused_because_too_much_waits_is_left_in_the_journal(autojump_clock: MockClock) -> None:
    journal = FakeJournal()
    settings = Settings(waiting=1)
    async with open_room(
        ["one"], ["a"], turns="in_order", handler_preemptive=False, journal=journal, settings=settings
    ) as room:
        room.answerer.takes_s = 10
        await room.say(1.0)
        await room.say(1.0)
    assert [what.partition(":")[0] for turn, what in journal.calls if turn == 2] == ["heard", "left"]


async def test_a_transcript_that_comes_too_late_is_shown_and_left_and_the_next_is_delivered(
    autojump_clock: MockClock,
) -> None:
    journal = FakeJournal()
    async with open_room(["one", "two"], ["done"], turns="in_order", handler_preemptive=False, journal=journal) as room:
        room.answerer.late_s = 5.0
        room.recogniser.takes_s = 6.0
        await room.say(1.0)
        await room.quiet(7.0)
        room.recogniser.takes_s = 3.0
        await room.say(1.0)
    assert room.answerer.asked == ["two"]
    assert [event["text"] for event in room.published("transcript")] == ["one", "two"]
    reason = "the text came 7 s after it was said, and is not typed. 'voiceloop transcribe --pending' transcribes it"
    assert [what for turn, what in journal.calls if turn == 1] == ["paused", "heard", "safe", "one", f"left: {reason}"]
    assert [what for turn, what in journal.calls if turn == 2] == [
        "paused",
        "heard",
        "safe",
        "two",
        "delivering",
        "over",
    ]
