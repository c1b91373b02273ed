"""The listener: when frames may come late, and where every sample went."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter, SpeechAudio, SpeechEnded, SpeechEvent, SpeechStarted
from voiceloop.config.tables import Segment
from voiceloop.control.attention import Attention
from voiceloop.plugins import Vad, Verdict
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason


class Voiced:
    """A VAD for which a sample that isn't 0 is voice."""

    def feed(self, pcm: bytes, index: int) -> list[Verdict]:
        return [Verdict(index, index + len(pcm) // 2, voiced=pcm[0] != 0)]

    def reset(self) -> None:
        pass


class Receiver:
    def __init__(self) -> None:
        self.heard: list[SpeechEvent] = []
        self.stirs: list[EarlyVoice] = []

    def on(self, event: SpeechEvent) -> None:
        self.heard.append(event)

    def early_voice(self, early_voice: EarlyVoice) -> None:
        self.stirs.append(early_voice)


class Room:
    """Listener with a clock that moves with the frames."""

    def __init__(self, *, half_duplex: bool = False) -> None:
        self.index, self.sounding = 0, False
        self.calm: list[tuple[float, bool]] = []
        mute = HalfDuplexMute(lambda: self.sounding, self.now, 0.2, half_duplex=half_duplex)
        relax: Callable[[bool], None] = lambda calm: self.calm.append((round(self.now(), 2), calm))  # noqa: E731
        self.attention = Attention()
        self.receiver = Receiver()
        self.listener = Listener(cast(Vad, Voiced()), Segmenter(Segment(), hangover_ms=600), self.receiver, mute, relax)
        self.listener.heeds = lambda frame: self.attention.heeds(frame.index / CAPTURE_RATE_HZ)

    def now(self) -> float:
        return self.index / CAPTURE_RATE_HZ

    def hear(self, seconds: float, *, voice: bool = False) -> None:
        for _ in range(round(seconds * 50)):
            self.listener.hear(Frame(bytes([voice, 0]) * 320, self.index))
            self.index += 320


def test_it_is_calm_a_second_after_the_last_voice_and_no_longer_at_the_next() -> None:
    room = Room()
    room.hear(2.0)
    room.hear(1.0, voice=True)
    room.hear(2.0)
    assert room.calm == [(1.0, True), (2.0, False), (4.0, True)]


def test_it_is_not_calm_while_a_reply_could_be_interrupted() -> None:
    room = Room()
    room.sounding = True
    room.hear(3.0)
    assert room.calm == []
    room.sounding = False
    room.hear(1.0)
    assert [calm for _, calm in room.calm] == [True]


def test_half_duplex_is_deaf_while_it_sounds_and_for_the_tail() -> None:
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


def test_stopping_ends_what_is_being_said_at_once_with_all_that_was_captured_before() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.attention.stop(room.now() + 0.1)  # 0.1 s of it is on its way still
    room.hear(0.1, voice=True)
    assert not any(isinstance(event, SpeechEnded) for event in room.receiver.heard)
    room.hear(0.02, voice=True)
    (ended,) = [event for event in room.receiver.heard if isinstance(event, SpeechEnded)]
    assert ended.utterance.voiced_end == round(1.1 * CAPTURE_RATE_HZ)
    room.hear(3.0, voice=True)
    room.attention.start()
    room.hear(1.0, voice=True)
    assert sum(isinstance(event, SpeechStarted) for event in room.receiver.heard) == 2
    ledger = room.listener.ledger
    assert ledger.muted == round(3.02 * CAPTURE_RATE_HZ)
    assert ledger.held + ledger.silence + ledger.sent + ledger.muted == ledger.received == room.index


def test_the_rest_of_what_is_called_off_is_heard_by_nobody() -> None:
    room = Room()
    room.hear(1.0)
    room.hear(1.0, voice=True)
    room.listener.forget()
    before = len(room.receiver.heard)
    assert isinstance(room.receiver.heard[-1], SpeechEnded)
    room.hear(1.0, voice=True)
    room.hear(0.3)
    room.hear(1.0, voice=True)
    room.hear(0.6)
    assert len(room.receiver.heard) == before
    room.hear(1.0, voice=True)
    room.hear(1.0)
    kinds = [type(event) for event in room.receiver.heard[before:]]
    assert (kinds.count(SpeechStarted), kinds.count(SpeechEnded)) == (1, 1)
    room.listener.end()
    ledger = room.listener.ledger
    assert ledger.muted == round(2.8 * CAPTURE_RATE_HZ)
    assert ledger.received == room.index == ledger.muted + ledger.silence + ledger.sent


def test_a_noise_that_never_ends_is_not_unwanted_for_ever() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.listener.forget()
    room.hear(12.0, voice=True)
    assert isinstance(room.receiver.heard[-1], SpeechAudio)
    assert room.listener.ledger.muted == 10 * CAPTURE_RATE_HZ


def test_whoever_starts_again_after_a_cancel_is_heard_from_the_first_word() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.listener.forget()
    room.attention.stop(room.now())
    room.hear(0.1, voice=True)
    room.attention.start()
    room.hear(1.0, voice=True)
    started = [event for event in room.receiver.heard if isinstance(event, SpeechStarted)]
    assert [event.onset / CAPTURE_RATE_HZ for event in started] == [0.0, 1.1]


def test_a_gap_ends_what_is_being_said() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.listener.hear(Gap(room.index, GapReason.LOST))
    assert room.listener.ledger.held == 0
    assert room.listener.ledger.sent == room.index
