"""What a conversation tells of itself: events and their times, who speaks, and what is at work; in virtual time."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.turns.room import open_room
from voiceloop.capture.endpointing.endings import Ending
from voiceloop.capture.endpointing.judgement import Decision, Evidence
from voiceloop.capture.speech_events import EndReason, SpeechEnded, SpeechResumed
from voiceloop.config.tables import Conversation as Settings
from voiceloop.types import CancelReason, Utterance


async def test_a_connection_that_cannot_be_warmed_is_reported_and_the_turn_goes_on(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("no route")

    async with open_room(["one"], ["Yes."]) as room:
        vars(room.voice)["warm"] = fail
        await room.say(1.0)
    assert room.published("warm.failed") == [{"error": "OSError('no route')"}]
    assert room.published("reply")[0]["text"] == "Yes."


async def test_who_speaks_and_what_is_at_work_is_known_at_any_time(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], ["Yes.", "No."], turns="in_order") as room:
        conversation = room.conversation
        assert (conversation.speaking, conversation.working) == (False, 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.say, 1.0)
            await trio.sleep(0.5)
            assert (conversation.speaking, conversation.working) == (True, 0)
        assert (conversation.speaking, conversation.working) == (False, 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.say, 1.0)
            await trio.sleep(0.2)
            assert (conversation.speaking, conversation.working) == (True, 1)
    assert (conversation.speaking, conversation.working) == (False, 0)


async def test_the_times_of_a_turn_are_published_to_a_tenth_of_a_millisecond(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["Yes."], takes_s=0.300_34) as room:
        await room.say(1.0)
        began = room.began
    marks = room.published("turn.done")[0]["marks"]
    assert marks["text"] == round(began + 1.900_34, 4)


async def test_events_of_speech_and_its_transcript_say_when_it_was_said(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], ["Yes.", "No."]) as room:
        await room.quiet(2)
        await room.speak((1.0, 1.0), (0.4, 0.6))
        await room.cough()
    assert room.published("speech.started") == [{"at_s": 2.0}, {"at_s": 5.0}]
    assert room.published("speech.paused") == [{"at_s": 3.0}, {"at_s": 4.4}]
    assert room.published("speech.resumed") == [{"at_s": 3.4}]
    assert room.published("speech.ended") == [{"start_s": 2.0, "end_s": 4.4}]
    assert room.published("speech.dropped") == [{}]
    (transcript,) = room.published("transcript")
    assert (transcript["start_s"], transcript["end_s"]) == (2.0, 4.4)


async def test_a_handler_that_wants_to_know_is_told_of_each_onset(autojump_clock: MockClock) -> None:
    onsets: list[int] = []

    async def began(onset: int) -> None:
        await trio.lowlevel.checkpoint()
        onsets.append(onset)

    async with open_room(["one"], ["Yes."]) as room:
        vars(room.answerer)["began"] = began
        await room.quiet(2)
        await room.say(1.0)
    assert onsets == [32_000]
    assert room.published("warm.failed") == []


async def test_after_a_cut_the_user_has_not_finished(autojump_clock: MockClock) -> None:
    async with open_room(["the first half"], []) as room:
        await room.say(3.0, continues=True)
        room.conversation.stop(CancelReason.WITHDRAWN)
    (done,) = room.published("turn.done")
    assert done["marks"].keys() == {"cancelled"}


async def test_speech_that_is_refused_is_reported_with_the_time_when_it_began(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["Yes."], turns="in_order", settings=Settings(waiting=1), takes_s=5.0) as room:
        await room.say(1.0)
        await room.quiet(0.4)
        await room.say(1.0)
    assert room.published("speech.refused") == [{"start_s": 2.0, "waiting": 1}]


async def test_the_loudspeaker_is_started_while_the_user_still_speaks(autojump_clock: MockClock) -> None:
    async with open_room(["one"], ["Yes."]) as room:
        started: list[float] = []
        room.speaker.on_ready = lambda: started.append(room.now())
        await room.cough()
    assert started[0] == 0.12  # the onset is noticed after 120 ms


async def test_each_transcript_names_the_one_before_it_that_it_replaces(autojump_clock: MockClock) -> None:
    async with open_room(["I would", "I would like", "I would like tea"], ["Yes?", "What?", "One tea."]) as room:
        for _ in range(3):
            await room.say(1.0)
            await room.quiet(0.4)
        await room.quiet(3)
    transcripts = [(event["turn"], event["text"], event["replaces"]) for event in room.published("transcript")]
    assert transcripts == [(1, "I would", None), (2, "I would like", 1), (3, "I would like tea", 2)]


async def test_what_was_decided_about_a_pause_is_published(autojump_clock: MockClock) -> None:
    held = Decision(16_000, 20_000, Evidence(Ending.OPEN, sound=-2.0), 4.0, 1.1)
    over = Decision(48_000, 4_000, Evidence(Ending.UNKNOWN), 1.0, 1.1)
    async with open_room(["one", "two"], ["Yes.", "No."]) as room:
        await room.say(1.0)
        room.conversation.on(SpeechResumed(32_000, held))
        utterance = Utterance(bytes(2 * 16_000), 32_000, 48_000)
        room.conversation.on(SpeechEnded(utterance, EndReason.HANGOVER, over))
    assert room.published("pause.judged") == [
        {
            "at_s": 1.0,
            "ended": False,
            "words": "open",
            "sound": 0.119,
            "factor": 4.0,
            "speaker_factor": 1.1,
            "hangover_ms": 1250,
        },
        {
            "at_s": 3.0,
            "ended": True,
            "words": "unknown",
            "sound": None,
            "factor": 1.0,
            "speaker_factor": 1.1,
            "hangover_ms": 250,
        },
    ]
