"""Races: events that happen at the same moment, or just before a turn is decided."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.turns.room import RATE_HZ, SAMPLES_A_CHARACTER, SOUND, Room, open_room
from tests.turns.test_interruptions import LONG, FakeVad
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechAudio, SpeechEnded, SpeechPaused, SpeechResumed, SpeechStarted
from voiceloop.config.tables import Conversation as Settings
from voiceloop.config.tables import Segment
from voiceloop.errors import RateLimited, VoiceloopError
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Reply, Turns
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.turns.turn import Turn
from voiceloop.types import Frame, Speech, Transcript, Utterance

SECOND = bytes(32_000)


async def _wait_ticks(count: int) -> None:
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def _speak_with_pause(room: Room, pause_s: float, ticks: int) -> None:
    """Speak, pause for `pause_s` and that many scheduler ticks, and speak on."""
    on = room.conversation.on
    on(SpeechStarted(0, 0, 1920, SECOND))
    await trio.sleep(1.0)
    on(SpeechPaused(16_000, 16_000, Utterance(SECOND, 0, 16_000)))
    await trio.sleep(pause_s)
    await _wait_ticks(ticks)
    on(SpeechResumed(20_000))
    on(SpeechAudio(SECOND, 32_000))
    await trio.sleep(1.0)
    on(SpeechPaused(32_000, 32_000, Utterance(SECOND * 2, 0, 32_000)))
    on(SpeechEnded(Utterance(SECOND * 2, 0, 32_000)))
    await trio.sleep(3.0)


@pytest.mark.parametrize("ticks", range(12))
@pytest.mark.parametrize("pause_s", [0.0, 0.1])
@pytest.mark.parametrize("first", ["half", RateLimited("busy", status=429)])
async def test_speech_may_go_on_at_the_moment_its_transcript_or_failure_arrives(
    first: str | VoiceloopError, pause_s: float, ticks: int, autojump_clock: MockClock
) -> None:
    preemptive = PreemptiveGeneration()
    texts: list[str | VoiceloopError] = [first, "the whole", "the whole"]
    async with open_room(texts, ["Yes.", "Yes."], preemptive=preemptive, takes_s=0.1) as room:
        room.answerer.takes_s = 0.0
        await _speak_with_pause(room, pause_s, ticks)
    requests = len(room.recogniser.clips) + len(room.answerer.asked) + len(room.voice.chunks)
    assert preemptive.used.requests + preemptive.wasted.requests == requests
    transcripts = [event["text"] for event in room.published("transcript")]
    if len(room.recogniser.clips) > 1:
        assert transcripts == ["the whole"]
        assert not room.published("turn.failed")
    else:  # the user went on before the first half was posted: the first clip that the service gets is complete
        assert transcripts == ([first] if isinstance(first, str) else [])


async def test_a_failed_transcription_does_not_lengthen_the_pause(autojump_clock: MockClock) -> None:
    segment = Segment()
    segmenter = Segmenter.of(segment)
    texts: list[str | VoiceloopError] = [RateLimited("busy", status=429)]
    async with open_room(texts, [], preemptive=PreemptiveGeneration(), tell=segmenter.tell) as room:
        mute = HalfDuplexMute(lambda: False, trio.current_time, 0.0, half_duplex=False)
        listener = Listener(FakeVad(), segmenter, room.conversation, mute)  # type: ignore[arg-type]
        ended: list[int] = []
        for number in range(150):
            listener.hear(Frame(bytes([number < 50, 0]) * 320, number * 320))
            if room.published("speech.ended"):
                ended.append(number)
            await trio.sleep(0.02)
    assert len(room.published("turn.failed")) == 1
    assert (ended[0] - 50) * 20 <= segment.hangover_ms


async def test_a_clip_posted_again_with_the_speech_after_it_counts_as_wasted(autojump_clock: MockClock) -> None:
    preemptive = PreemptiveGeneration(enabled=False)
    texts = ["one", "stop", "stop it"]
    async with open_room(texts, [LONG, "Fine."], preemptive=preemptive) as room:
        await room.say(1.0)
        await room.quiet(1.5)
        room.recogniser.takes_s = 2.0
        await room.say(0.3)
        await room.say(0.3)
        await room.quiet(5)
    assert room.answerer.asked == ["one", "stop it"]
    assert preemptive.wasted.requests == 1


async def test_turns_that_overlap_do_not_keep_each_other_in_memory(autojump_clock: MockClock) -> None:
    count = 12
    texts = [f"number {number}" for number in range(count)]
    preemptive = PreemptiveGeneration()
    async with open_room(texts, [""] * count, turns="in_order", preemptive=preemptive, takes_s=0.1) as room:
        room.answerer.takes_s = 0.9  # each turn ends while the user says the next, before the pause
        for _ in range(count):
            await room.say(1.0)
        gc.collect()
        alive = [item for item in gc.get_objects() if isinstance(item, Turn) and item.context.speaker is room.speaker]
        assert len(alive) <= 3
        alive.clear()
        await room.quiet(20)
    assert room.answerer.asked == texts


async def test_the_transcript_is_published_although_its_answer_failed_during_the_pause(
    autojump_clock: MockClock,
) -> None:
    async with open_room(
        ["one"], [RateLimited("busy", status=429)], preemptive=PreemptiveGeneration(), takes_s=0.05
    ) as room:
        room.answerer.takes_s = 0.05
        room.voice.fails = {"I began.": RateLimited("busy", status=429)}
        await room.say(1.0)
        await room.quiet(2)
    assert [event["text"] for event in room.published("transcript")] == ["one"]
    assert len(room.published("turn.failed")) == 1


async def test_a_handlers_action_is_not_repeated_when_the_user_goes_on(autojump_clock: MockClock) -> None:
    done: list[str] = []

    async def handle(transcript: Transcript, reply: Reply) -> None:
        await reply.committed()
        done.append(transcript.text)
        await trio.sleep(1.0)
        await reply.say("Done.")

    async with open_room(["open the door", "and the window"], []) as room:
        vars(room.answerer)["handle"] = handle
        await room.say(1.0)
        await room.quiet(0.5)
        await room.say(1.0)
        await room.quiet(3)
    assert done == ["open the door", "and the window"]
    assert [message.text for message in room.conversation.history] == ["open the door", "and the window", "Done."]


async def test_a_reply_can_be_interrupted_even_if_only_one_turn_may_wait(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], [LONG, "Second."], settings=Settings(waiting=1)) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(1.0)
        await room.quiet(3)
    assert room.answerer.asked == ["one", "two"]
    assert not room.published("speech.refused")


@pytest.mark.parametrize("preemptive", [PreemptiveGeneration(), PreemptiveGeneration(enabled=False)])
async def test_silence_between_backchannels_does_not_count_towards_a_barge_in(
    preemptive: PreemptiveGeneration, autojump_clock: MockClock
) -> None:
    texts = ["one", "mhm", "mhm mhm"] if preemptive.allowed else ["one", "mhm mhm"]
    async with open_room(texts, [LONG], preemptive=preemptive) as room:
        await room.say(1.0)
        await room.quiet(1.5)
        await room.speak((0.15, 0.15), (0.5, 0.6))
        await room.quiet(6)
    assert room.published("reply") == [{"turn": 1, "text": LONG, "complete": True}]


async def test_a_backchannel_does_not_keep_the_program_from_ending(autojump_clock: MockClock) -> None:
    async with open_room(["one", "mhm"], ["Yes."], settings=Settings(hold_max_ms=60_000)) as room:
        await room.say(1.0)
        await room.quiet(0.4)
        await room.say(0.2)
    assert room.now() < 10


async def test_a_turn_cut_off_by_the_end_of_the_program_is_reported(autojump_clock: MockClock) -> None:
    with trio.CancelScope() as scope:
        async with open_room(["one"], [LONG]) as room:
            await room.say(1.0)
            await room.quiet(2)
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert [done["turn"] for done in room.published("turn.done")] == [1]
    assert room.published("reply")


async def test_the_short_end_of_a_long_talk_is_not_sent_while_asleep(autojump_clock: MockClock) -> None:
    async with open_room(["wake up"], ["Yes."], asleep=lambda: True) as room:
        await room.say(5.0, continues=True)
        await room.say(1.0)
        await room.quiet(1)
        assert not room.recogniser.clips
        await room.say(1.0)
        await room.quiet(1)
    assert len(room.recogniser.clips) == 1


@pytest.mark.parametrize("turns", ["exclusive", "in_order"])
async def test_the_earcon_of_a_failed_turn_waits_until_the_reply_is_over(
    turns: Turns, autojump_clock: MockClock
) -> None:
    texts: list[str | VoiceloopError] = ["one", RateLimited("busy", status=429)]
    played: list[bytes] = []

    def watch(speaker: Speaker) -> None:
        played.append(speaker.ring.recent(RATE_HZ // 100))

    async with open_room(texts, [LONG * 3], turns=turns) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.speaker.watch = watch
        await room.say(0.5)
        await room.quiet(20)
    assert len(room.published("turn.failed")) == 1
    tones = [number for number, block in enumerate(played) if set(block) - set(SOUND)]
    replies = [number for number, block in enumerate(played) if set(block) == set(SOUND)]
    assert tones
    assert min(tones) >= max(replies)


async def test_of_a_chunk_synthesised_in_real_time_only_the_part_heard_enters_the_reply(
    autojump_clock: MockClock,
) -> None:
    @asynccontextmanager
    async def speech(text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        send, receive = trio.open_memory_channel[Speech](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_in_real_time, text, send)
            yield receive
            nursery.cancel_scope.cancel()

    async with open_room(["one", "two"], [LONG, "Second."]) as room:
        vars(room.voice)["speech"] = speech
        await room.say(1.0)
        await room.quiet(1.5)
        await room.say(1.0)
        await room.quiet(3)
    heard = room.published("reply")[0]["text"]
    played = sum(sounded for at, sounded in room.sound if at - room.began < 1.0 + 0.6 + 1.5 + 0.7) / 100
    assert LONG.startswith(heard)
    assert 0 < len(heard) * 0.05 <= played + 0.05


async def _send_in_real_time(text: str, send: trio.MemorySendChannel[Speech]) -> None:
    with send:
        for _ in text:
            await send.send(Speech(SOUND * SAMPLES_A_CHARACTER, RATE_HZ))
            await trio.sleep(SAMPLES_A_CHARACTER / RATE_HZ)


async def test_a_transcript_that_is_replaced_two_turns_later_is_named(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two", "one two three"], ["Too late.", "Yes."]) as room:
        room.answerer.takes_s = 4.0
        await room.say(1.0)
        await room.quiet(0.4)
        room.recogniser.takes_s = 2.0
        await room.say(1.0)
        await room.say(1.0)  # while the second utterance is being transcribed
        await room.quiet(8)
    transcripts = [(event["turn"], event["text"], event["replaces"]) for event in room.published("transcript")]
    assert transcripts == [(1, "one", None), (3, "one two three", 1)]
