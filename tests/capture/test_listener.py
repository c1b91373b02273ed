"""The listener: when frames may come late, when it ignores the microphone, and what became of every sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
import trio

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.endpointing.sound_judge import SoundJudge
from voiceloop.capture.enhancer import Enhancer
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.second_opinion import SecondOpinion
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechAudio, SpeechEnded, SpeechEvent, SpeechStarted
from voiceloop.config.tables import Segment
from voiceloop.control.attention import Attention
from voiceloop.plugins import Vad, Verdict
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason


class FakeVad:
    """A VAD that takes a frame for voice if its first byte isn't 0."""

    resets = 0

    def feed(self, pcm: bytes, index: int) -> list[Verdict]:
        return [Verdict(index, index + len(pcm) // 2, voiced=pcm[0] != 0)]

    def reset(self) -> None:
        self.resets += 1


class Silencer:
    """An enhancer for tests: silences every frame, and keeps one back."""

    def __init__(self) -> None:
        self.kept: list[Frame | Gap] = []

    def take(self, item: Frame | Gap) -> list[Frame | Gap]:
        before, self.kept = self.kept, [replace(item, pcm=bytes(len(item.pcm))) if isinstance(item, Frame) else item]
        return before

    def flush(self) -> list[Frame]:
        before, self.kept = self.kept, []
        return [item for item in before if isinstance(item, Frame)]


class RecordingReceiver:
    def __init__(self) -> None:
        self.events: list[SpeechEvent] = []
        self.early_voices: list[EarlyVoice] = []

    def on(self, event: SpeechEvent) -> None:
        self.events.append(event)

    def early_voice(self, early_voice: EarlyVoice) -> None:
        self.early_voices.append(early_voice)


class Room:
    """A listener, and a clock that moves with the frames that are fed to it."""

    def __init__(self, *, half_duplex: bool = False) -> None:
        self.index, self.sounding = 0, False
        self.calm: list[tuple[float, bool]] = []
        mute = HalfDuplexMute(lambda: self.sounding, self.now, 0.2, half_duplex=half_duplex)
        relax: Callable[[bool], None] = lambda calm: self.calm.append((round(self.now(), 2), calm))  # noqa: E731
        self.attention = Attention()
        self.receiver = RecordingReceiver()
        self.vad = FakeVad()
        self.listener = Listener(cast(Vad, self.vad), Segmenter(Segment(), hangover_ms=600), self.receiver, mute, relax)
        self.listener.accepts = lambda frame: self.attention.accepts(frame.index / CAPTURE_RATE_HZ)

    def now(self) -> float:
        return self.index / CAPTURE_RATE_HZ

    def hear(self, seconds: float, *, voice: bool = False) -> None:
        for _ in range(round(seconds * 50)):
            self.listener.hear(Frame(bytes([voice, 0]) * 320, self.index))
            self.index += 320


@pytest.mark.parametrize("silences", [False, True])
async def test_the_enhancers_sound_is_heard_and_no_sample_of_it_is_lost_at_the_end(silences: bool) -> None:
    room = Room()
    room.listener.enhancer = cast(Enhancer, Silencer()) if silences else None
    send, receive = trio.open_memory_channel[Frame | Gap](50)
    for n in range(50):
        send.send_nowait(Frame(b"\1\0" * 320, 320 * n))
    send.close()
    await room.listener.listen(receive)
    assert room.listener.ledger.received == 50 * 320
    assert bool(room.receiver.events) is not silences


def test_frames_may_come_late_once_there_was_no_voice_for_a_second() -> None:
    room = Room()
    room.hear(2.0)
    room.hear(1.0, voice=True)
    room.hear(2.0)
    assert room.calm == [(1.0, True), (2.0, False), (4.0, True)]


def test_frames_may_not_come_late_while_a_reply_could_be_interrupted() -> None:
    room = Room()
    room.sounding = True
    room.hear(3.0)
    assert room.calm == []
    room.sounding = False
    room.hear(1.0)
    assert [calm for _, calm in room.calm] == [True]


def test_frames_may_come_late_while_nothing_that_is_heard_counts() -> None:
    """Idle, when the user has stopped it; deaf, while the loudspeaker sounds and the microphone is muted."""
    room = Room()
    room.hear(0.5, voice=True)
    room.attention.stop(room.now())
    room.hear(3.0, voice=True)
    assert room.calm == [(0.5, True)]
    room.attention.start()
    room.hear(0.5, voice=True)
    assert room.calm[1:] == [(3.5, False)]
    deaf = Room(half_duplex=True)
    deaf.sounding = True
    deaf.hear(3.0, voice=True)
    assert deaf.calm == [(0.0, True)]


def test_in_half_duplex_the_microphone_is_muted_while_the_loudspeaker_sounds_and_for_the_tail() -> None:
    room = Room(half_duplex=True)
    room.hear(1.0)
    room.sounding = True
    room.hear(1.0, voice=True)
    room.sounding = False
    room.hear(1.0)
    ledger = room.listener.ledger
    assert ledger.muted == round(1.18 * CAPTURE_RATE_HZ)  # the tail begins at the last frame that sounded
    assert ledger.received == room.index
    assert ledger.held + ledger.silence + ledger.muted == room.index


def test_stopping_ends_the_utterance_at_once_with_all_samples_captured_before_the_stop() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.attention.stop(room.now() + 0.1)  # 0.1 s of speech is still on its way
    room.hear(0.1, voice=True)
    assert not any(isinstance(event, SpeechEnded) for event in room.receiver.events)
    room.hear(0.02, voice=True)
    (ended,) = [event for event in room.receiver.events if isinstance(event, SpeechEnded)]
    assert ended.utterance.voiced_end == round(1.1 * CAPTURE_RATE_HZ)
    room.hear(3.0, voice=True)
    room.attention.start()
    room.hear(1.0, voice=True)
    assert sum(isinstance(event, SpeechStarted) for event in room.receiver.events) == 2
    ledger = room.listener.ledger
    assert ledger.muted == round(3.02 * CAPTURE_RATE_HZ)
    assert ledger.held + ledger.silence + ledger.sent + ledger.muted == ledger.received == room.index


def test_the_rest_of_a_cancelled_utterance_is_discarded() -> None:
    room = Room()
    room.hear(1.0)
    room.hear(1.0, voice=True)
    room.listener.forget()
    before = len(room.receiver.events)
    assert isinstance(room.receiver.events[-1], SpeechEnded)
    room.hear(1.0, voice=True)
    room.hear(0.3)
    room.hear(1.0, voice=True)
    room.hear(0.6)
    assert len(room.receiver.events) == before
    room.hear(1.0, voice=True)
    room.hear(1.0)
    kinds = [type(event) for event in room.receiver.events[before:]]
    assert (kinds.count(SpeechStarted), kinds.count(SpeechEnded)) == (1, 1)
    room.listener.end()
    ledger = room.listener.ledger
    assert ledger.muted == round(2.8 * CAPTURE_RATE_HZ)
    assert ledger.received == room.index == ledger.muted + ledger.silence + ledger.sent


def test_after_a_gap_the_vad_begins_anew() -> None:
    """What it holds of the sound before the gap doesn't continue after it."""
    room = Room()
    room.hear(1.0, voice=True)
    assert room.vad.resets == 0
    room.listener.hear(Gap(room.index, GapReason.LOST))
    assert room.vad.resets == 1


def test_a_noise_without_end_is_discarded_for_ten_seconds_at_most() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.listener.forget()
    room.hear(12.0, voice=True)
    assert isinstance(room.receiver.events[-1], SpeechAudio)
    assert room.listener.ledger.muted == 10 * CAPTURE_RATE_HZ


def test_after_a_cancel_and_a_new_start_the_user_is_heard_from_the_first_word() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.listener.forget()
    room.attention.stop(room.now())
    room.hear(0.1, voice=True)
    room.attention.start()
    room.hear(1.0, voice=True)
    started = [event for event in room.receiver.events if isinstance(event, SpeechStarted)]
    assert [event.onset / CAPTURE_RATE_HZ for event in started] == [0.0, 1.1]


def test_a_gap_ends_the_utterance() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.listener.hear(Gap(room.index, GapReason.LOST))
    assert room.listener.ledger.held == 0
    assert room.listener.ledger.sent == room.index


class FakeCleaner:
    """A cleaner that removes nothing, and is told whether all that is heard is an echo."""

    heard_beside = b""

    echo_only = False
    residual_share = 0.0

    def residual(self, samples: int) -> bytes:
        return self.heard_beside[-2 * samples :]

    def take(self, item: Frame | Gap) -> list[Frame | Gap]:
        return [item]

    def flush(self) -> list[Frame | Gap]:
        return []

    def is_residual_echo(self, pcm: bytes) -> bool:
        return self.echo_only


def test_while_only_the_echo_is_heard_no_verdict_is_voice() -> None:
    room = Room()
    cleaner = room.listener.cleaner = FakeCleaner()
    cleaner.echo_only = True
    room.hear(1, voice=True)
    assert room.receiver.events == []
    cleaner.echo_only = False
    room.hear(1, voice=True)
    assert isinstance(room.receiver.events[0], SpeechStarted)
    assert room.receiver.events[0].onset >= CAPTURE_RATE_HZ


@pytest.mark.parametrize("asked", [True, False])
def test_a_person_whom_the_cleaner_takes_away_is_heard_by_the_second_opinion(asked: bool) -> None:
    room = Room()
    cleaner = room.listener.cleaner = FakeCleaner()
    cleaner.residual_share, cleaner.heard_beside = 0.5, b"\1\0" * 3200
    room.listener.second = SecondOpinion(cast(Vad, FakeVad()), cleaner) if asked else None
    room.hear(1, voice=False)
    assert any(isinstance(event, SpeechStarted) for event in room.receiver.events) is asked


def test_a_voice_of_the_second_opinion_counts_when_the_vad_next_says_anything() -> None:
    """A VAD of hops longer than a frame has no verdict on some frames."""
    room = Room()
    cleaner = room.listener.cleaner = FakeCleaner()
    cleaner.residual_share, cleaner.heard_beside = 0.5, b"\1\0" * 3200
    second = room.listener.second = SecondOpinion(cast(Vad, FakeVad()), cleaner)
    room.vad.feed = lambda pcm, index: []  # type: ignore[method-assign]
    room.listener.hear(Frame(bytes(640), 0))
    cleaner.residual_share = 0.0
    room.vad.feed = lambda pcm, index: [Verdict(0, index + 320, voiced=False)]  # type: ignore[method-assign]
    heard = room.listener._judged_with_echo(Frame(bytes(640), 320), room.vad.feed(b"", 320))
    assert [verdict.voiced for verdict in heard] == [True]
    assert second is room.listener.second


def test_the_mute_can_be_switched_on_and_off() -> None:
    room = Room()
    room.sounding = True
    room.listener.mute.switch(True)
    room.hear(1, voice=True)
    assert room.receiver.events == []
    room.listener.mute.switch(False)
    room.hear(1, voice=True)
    assert isinstance(room.receiver.events[0], SpeechStarted)


class RecordingJudge:
    """A judge of the sound that records what it is given."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bool]] = []
        self.pauses: list[tuple[int, int]] = []

    def hear(self, frame: Frame, *, muted: bool = False) -> None:
        self.heard.append((frame.index, muted))

    def paused(self, since: int) -> None:
        self.pauses.append((since, self.heard[-1][0]))


def test_the_judge_of_the_sound_hears_every_frame_and_is_asked_about_each_pause() -> None:
    room, judge = Room(), RecordingJudge()
    room.listener.sound_judge = cast(SoundJudge, judge)
    room.hear(0.5)
    for length in (1.0, 0.5):
        room.hear(length, voice=True)
        room.hear(0.3)
    assert judge.heard == [(index, False) for index in range(0, room.index, 320)]
    first, second = round(1.5 * CAPTURE_RATE_HZ), round(2.3 * CAPTURE_RATE_HZ)
    assert [since for since, _ in judge.pauses] == [first, second]
    assert all(since < latest < since + CAPTURE_RATE_HZ // 5 for since, latest in judge.pauses)


def test_what_is_not_listened_to_is_muted_for_the_judge_of_the_sound() -> None:
    room, judge = Room(), RecordingJudge()
    room.listener.sound_judge = cast(SoundJudge, judge)
    room.hear(0.5, voice=True)
    room.attention.stop(room.now())
    room.hear(0.5, voice=True)
    assert [muted for _, muted in judge.heard] == [False] * 25 + [True] * 25
