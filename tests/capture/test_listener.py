"""The ears: when frames may come late, and where every sample went."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from voiceloop.capture.early_voice import Stir
from voiceloop.capture.listener import Deafness, Ears
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


class Listener:
    def __init__(self) -> None:
        self.heard: list[SpeechEvent] = []
        self.stirs: list[Stir] = []

    def on(self, event: SpeechEvent) -> None:
        self.heard.append(event)

    def stirred(self, stir: Stir) -> None:
        self.stirs.append(stir)


class Room:
    """Ears with a clock that moves with the frames."""

    def __init__(self, *, half_duplex: bool = False) -> None:
        self.index, self.sounding = 0, False
        self.calm: list[tuple[float, bool]] = []
        deafness = Deafness(lambda: self.sounding, self.now, 0.2, half_duplex=half_duplex)
        relax: Callable[[bool], None] = lambda calm: self.calm.append((round(self.now(), 2), calm))  # noqa: E731
        self.attention = Attention()
        self.listener = Listener()
        self.ears = Ears(cast(Vad, Voiced()), Segmenter(Segment(), hangover_ms=600), self.listener, deafness, relax)
        self.ears.heeds = lambda frame: self.attention.heeds(frame.index / CAPTURE_RATE_HZ)

    def now(self) -> float:
        return self.index / CAPTURE_RATE_HZ

    def hear(self, seconds: float, *, voice: bool = False) -> None:
        for _ in range(round(seconds * 50)):
            self.ears.hear(Frame(bytes([voice, 0]) * 320, self.index))
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
    ledger = room.ears.ledger
    assert ledger.deaf == round(1.18 * CAPTURE_RATE_HZ)  # the tail begins at the last frame that sounded
    assert ledger.received == room.index
    assert ledger.held + ledger.silence + ledger.deaf == room.index


def test_stopping_ends_what_is_being_said_at_once_with_all_that_was_captured_before() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.attention.stop(room.now() + 0.1)  # 0.1 s of it is on its way still
    room.hear(0.1, voice=True)
    assert not any(isinstance(event, SpeechEnded) for event in room.listener.heard)
    room.hear(0.02, voice=True)
    (ended,) = [event for event in room.listener.heard if isinstance(event, SpeechEnded)]
    assert ended.utterance.voiced_end == round(1.1 * CAPTURE_RATE_HZ)
    room.hear(3.0, voice=True)
    room.attention.start()
    room.hear(1.0, voice=True)
    assert sum(isinstance(event, SpeechStarted) for event in room.listener.heard) == 2
    ledger = room.ears.ledger
    assert ledger.deaf == round(3.02 * CAPTURE_RATE_HZ)
    assert ledger.held + ledger.silence + ledger.sent + ledger.deaf == ledger.received == room.index


def test_the_rest_of_what_is_called_off_is_heard_by_nobody() -> None:
    room = Room()
    room.hear(1.0)
    room.hear(1.0, voice=True)
    room.ears.forget()
    before = len(room.listener.heard)
    assert isinstance(room.listener.heard[-1], SpeechEnded)
    room.hear(1.0, voice=True)
    room.hear(0.3)
    room.hear(1.0, voice=True)
    room.hear(0.6)
    assert len(room.listener.heard) == before
    room.hear(1.0, voice=True)
    room.hear(1.0)
    kinds = [type(event) for event in room.listener.heard[before:]]
    assert (kinds.count(SpeechStarted), kinds.count(SpeechEnded)) == (1, 1)
    room.ears.end()
    ledger = room.ears.ledger
    assert ledger.deaf == round(2.8 * CAPTURE_RATE_HZ)
    assert ledger.received == room.index == ledger.deaf + ledger.silence + ledger.sent


def test_a_noise_that_never_ends_is_not_unwanted_for_ever() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.ears.forget()
    room.hear(12.0, voice=True)
    assert isinstance(room.listener.heard[-1], SpeechAudio)
    assert room.ears.ledger.deaf == 10 * CAPTURE_RATE_HZ


def test_whoever_starts_again_after_a_cancel_is_heard_from_the_first_word() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.ears.forget()
    room.attention.stop(room.now())
    room.hear(0.1, voice=True)
    room.attention.start()
    room.hear(1.0, voice=True)
    started = [event for event in room.listener.heard if isinstance(event, SpeechStarted)]
    assert [event.onset / CAPTURE_RATE_HZ for event in started] == [0.0, 1.1]


def test_a_gap_ends_what_is_being_said() -> None:
    room = Room()
    room.hear(1.0, voice=True)
    room.ears.hear(Gap(room.index, GapReason.LOST))
    assert room.ears.ledger.held == 0
    assert room.ears.ledger.sent == room.index
