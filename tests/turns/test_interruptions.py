"""Failures, noises and more speech at bad moments: nothing is lost, and nothing ends the loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.turns.room import RATE_HZ, SAMPLES_A_CHARACTER, SOUND, Room, open_room
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.config.tables import Conversation as Settings
from voiceloop.config.tables import Segment
from voiceloop.errors import EngineError, RateLimited, VoiceloopError
from voiceloop.plugins import Reply, Turns, Verdict
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Speech, Transcript

LONG = "This is a rather long answer that goes on for quite a while without an end in sight."


async def test_when_one_part_of_long_speech_fails_only_that_part_is_lost(autojump_clock: MockClock) -> None:
    texts: list[str | VoiceloopError] = [RateLimited("busy", status=429), "the second", "and the third"]
    async with open_room(texts, ["Second."]) as room:
        await room.say(3.0, continues=True)
        await room.say(3.0, continues=True)
        await room.say(1.0)
        await room.quiet(3)
    assert len(room.published("turn.failed")) == 1
    assert room.answerer.asked == ["the second and the third"]


async def test_speech_during_a_crash_of_the_recogniser_is_transcribed_after_its_restart(
    autojump_clock: MockClock,
) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[Any]:
        raise EngineError("the recogniser died")
        yield

    async with open_room(["one"], ["First."]) as room:
        vars(room.recogniser)["transcription"] = broken
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.say, 1.0)
            await trio.sleep_until(began + 0.5)
            del vars(room.recogniser)["transcription"]
        await room.quiet(2)
    assert room.answerer.asked == ["one"]


async def test_a_stop_word_does_not_cancel_the_speech_after_it(autojump_clock: MockClock) -> None:
    async with open_room(["work", "stop", "more"], ["a", "b"], turns="exclusive", takes_s=1.0) as room:
        room.answerer.takes_s = 10.0
        await room.say(0.5)
        await room.quiet(2)
        await room.say(0.3)
        await room.say(2.0)  # goes on while "stop" is transcribed
        await room.quiet(3)
    assert room.answerer.cancelled == ["work"]
    assert room.answerer.asked == ["work", "more"]


async def test_three_bursts_of_speech_are_one_clip_with_all_three(autojump_clock: MockClock) -> None:
    """The third begins while the first two, joined, are being transcribed."""
    async with open_room([str(number) for number in range(9)], ["r"] * 9, takes_s=2.0) as room:
        await room.say(1.0)
        await room.say(1.0)
        await room.say(1.0)
        await room.quiet(6)
    assert room.recogniser.clips[-1].start == 0
    assert room.recogniser.clips[-1].duration_s > 3.0


async def test_a_short_word_is_not_lost_to_the_noise_after_it(autojump_clock: MockClock) -> None:
    async with open_room(["one", "stop", "stop"], [LONG, "Fine."], takes_s=1.0) as room:
        await room.say(1.0)
        await room.quiet(2.5)
        assert room.sounding()
        await room.say(0.3)
        await room.cough()  # while "stop" is being transcribed
        await room.quiet(8)
    assert room.answerer.asked == ["one", "stop"]


async def test_a_transcript_without_letters_is_no_interruption(autojump_clock: MockClock) -> None:
    async with open_room(["one", "..."], [LONG]) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(0.2)
        await room.quiet(6)
    assert room.answerer.asked == ["one"]
    assert room.published("reply")[-1]["complete"]


async def test_what_is_left_of_a_failed_reply_is_not_played(autojump_clock: MockClock) -> None:
    async with open_room(["one"], [f"{LONG} And one more."], settings=Settings(earcon=False)) as room:
        vars(room.voice)["fails"] = {"And one more.": ValueError("a bug")}  # it is requested while the first plays
        await room.say(1.0)
        await room.quiet(6)
    assert len(room.published("turn.failed")) == 1
    failed_at = room.published("turn.done")[0]["marks"]["first_played"]
    assert not [at for at, sounded in room.sound if sounded and at > failed_at + 1.0]


async def test_a_slow_service_does_not_keep_the_reply_silent(autojump_clock: MockClock) -> None:
    settings = Settings(hold_max_ms=1000)
    async with open_room(["one", ""], [LONG], settings=settings) as room:
        await room.say(1.0)
        await room.quiet(1)
        room.recogniser.takes_s = 30.0
        began = trio.current_time()
        await room.say(0.3)
        await room.quiet(2)
        sounds = [at - began for at, sounded in room.sound if sounded and at > began + 0.2]
    assert min(sounds) == pytest.approx(0.3 + 0.6 + 1.0, abs=0.05)


async def _play(reply: Reply, text: str = "") -> None:
    await reply.play(Speech(SOUND * RATE_HZ * 3, RATE_HZ), text)


def _answer_with_sound(room: Room) -> None:
    async def handle(_: Transcript, reply: Reply) -> None:
        await _play(reply)

    vars(room.answerer)["handle"] = handle


async def test_sound_without_words_can_be_interrupted(autojump_clock: MockClock) -> None:
    async with open_room(["one", "two"], []) as room:
        _answer_with_sound(room)
        await room.say(1.0)
        await room.quiet(1.5)
        assert room.sounding()
        await room.say(1.0)
        await room.quiet(5)
    assert [turn["outcome"] for turn in room.published("turn.done")] == ["cancelled", "done"]


async def test_words_that_come_after_their_sound_enter_the_history(autojump_clock: MockClock) -> None:
    async def handle(_: Transcript, reply: Reply) -> None:
        await _play(reply, "First words")
        await reply.play(Speech(b"", RATE_HZ), "last words")

    async with open_room(["one"], []) as room:
        vars(room.answerer)["handle"] = handle
        await room.say(1.0)
    assert room.published("reply")[0]["text"] == "First words last words"


async def test_of_a_chunk_that_breaks_off_only_the_part_heard_enters_the_reply(autojump_clock: MockClock) -> None:
    sentence = "Here is a sentence that breaks off in the middle of it."

    @asynccontextmanager
    async def speech(text: str) -> AsyncIterator[trio.MemoryReceiveChannel[Speech]]:
        send, receive = trio.open_memory_channel[Speech](100)
        with send:
            for _ in range(len(text) // 4):
                send.send_nowait(Speech(SOUND * SAMPLES_A_CHARACTER, RATE_HZ))
        await trio.lowlevel.checkpoint()
        yield receive
        raise RateLimited("it broke off")

    async with open_room(["one"], [sentence]) as room:
        vars(room.voice)["speech"] = speech
        await room.say(1.0)
    reply = room.published("reply")[0]
    assert not reply["complete"]
    assert sentence.startswith(reply["text"])
    assert 0 < len(reply["text"]) < len(sentence) // 2


class FakeVad:
    """A VAD that takes a frame for voice if its first byte isn't 0."""

    description = "made up"

    def feed(self, pcm: bytes, index: int) -> list[Verdict]:
        return [Verdict(index, index + len(pcm) // 2, voiced=pcm[0] != 0)]

    def reset(self) -> None:
        pass


@pytest.mark.parametrize("turns", ["replace", "exclusive", "in_order"])
async def test_a_reply_that_becomes_ready_while_the_user_speaks_does_not_mute_the_microphone(
    autojump_clock: MockClock, turns: Turns
) -> None:
    async with open_room(["one", "two", "two"], ["A reply to the first.", "Second."], turns=turns) as room:
        room.answerer.takes_s = 1.0
        segment = Segment()
        segmenter = Segmenter(segment, hangover_ms=segment.half_duplex_hangover_ms)
        mute = HalfDuplexMute(lambda: room.speaker.audible, trio.current_time, 0.25, half_duplex=True)
        listener = Listener(FakeVad(), segmenter, room.conversation, mute)  # type: ignore[arg-type]
        index = 0
        for seconds, voice in ((0.5, 0), (1.0, 1), (1.0, 0), (4.0, 1), (4.0, 0)):
            for _ in range(round(seconds * 50)):
                listener.hear(Frame(bytes([voice, 0]) * 320, index))
                index += 320
                await trio.sleep(0.02)
    ended = room.published("speech.ended")
    assert len(ended) == 2
    assert ended[1]["end_s"] - ended[1]["start_s"] >= 4.0
    assert listener.muted > CAPTURE_RATE_HZ // 2  # the reply was played afterwards


async def test_the_audio_of_long_unbroken_speech_is_not_kept_in_memory(autojump_clock: MockClock) -> None:
    async with open_room([f"part {number}" for number in range(20)], ["Done."]) as room:
        for _ in range(19):
            await room.say(30.0, continues=True)
        turn = room.conversation._current.turn
        assert turn is not None
        kept = sum(len(said.utterance.pcm) for said in turn.transcribing.clips())
        await room.say(1.0)
    assert kept <= 2 * 30 * CAPTURE_RATE_HZ * 2
    assert room.answerer.asked[0].startswith("part 0 part 1")


async def test_a_failed_utterance_over_a_reply_is_reported_as_failed(autojump_clock: MockClock) -> None:
    async with open_room(["one", RateLimited("busy", status=429)], [LONG]) as room:
        await room.say(1.0)
        await room.quiet(2)
        await room.say(0.3)
        await room.quiet(8)
    assert room.published("turn.done")[0] == room.published("turn.done")[0] | {"outcome": "failed", "reason": ""}
    assert room.published("reply")[-1]["complete"]


async def test_speech_beyond_the_limit_of_waiting_turns_is_refused_with_an_event(autojump_clock: MockClock) -> None:
    settings = Settings(waiting=3)
    async with open_room(["a", "b", "c"], ["", "", ""], turns="exclusive", settings=settings) as room:
        room.answerer.takes_s = 60.0
        for _ in range(5):
            await room.say(0.5)
        await room.quiet(2)
        assert len(room.published("speech.refused")) == 2
    assert room.answerer.asked == ["a", "b", "c"]
