"""Which speech at the microphone reaches the captioner while the loudspeaker plays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from voiceloop.captions.echo_gate import EchoGate
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.speech_events import (
    EndReason,
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, Frame, Utterance

COUNT = 2 * CAPTURE_RATE_HZ


def sound(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).standard_normal(COUNT) * 3000


def pcm(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
    return samples.clip(-32_000, 32_000).astype("<i2").tobytes()


FILM, VOICE = sound(1), sound(2)


@dataclass
class Hearing:
    """What the canceller says; the microphone's samples have the numbers of the film's."""

    microphone: bytes
    share: float = 1.0
    active: bool = True
    settled: bool = True
    knows_echo: bool = True

    @property
    def other_share(self) -> float:
        return self.share

    def raw(self, start: int, end: int) -> bytes:
        return self.microphone[2 * start : 2 * end]

    def played(self, start: int, end: int, *, earlier_s: float) -> bytes:
        return pcm(FILM)[2 * max(0, start - round(earlier_s * CAPTURE_RATE_HZ)) : 2 * end]


@dataclass
class Receiver:
    """Notes the events, and what was published."""

    events: list[SpeechEvent] = field(default_factory=list)
    published: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def on(self, event: SpeechEvent) -> None:
        self.events.append(event)

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Do nothing."""

    def publish(self, name: str, /, **fields: object) -> None:
        self.published.append((name, dict(fields)))


def spoken(clean: bytes) -> Iterator[SpeechEvent]:
    """The events of an utterance of a second, in which that is left of the microphone's sound."""
    step = 2 * FRAME_SAMPLES
    yield SpeechStarted(start=0, onset=0, noticed=FRAME_SAMPLES, pcm=clean[:step])
    for at in range(step, len(clean) // 2, step):
        yield SpeechAudio(clean[at : at + step], voiced_end=(at + step) // 2)
    utterance = Utterance(clean[: len(clean) // 2], 0, len(clean) // 4)
    yield SpeechPaused(at=len(clean) // 4 + 3200, since=len(clean) // 4, utterance=utterance)
    yield SpeechEnded(utterance, EndReason.HANGOVER)


def heard(hearing: Hearing, clean: bytes) -> Receiver:
    receiver = Receiver()
    gate = EchoGate("mic", receiver, hearing, receiver.publish)
    for event in spoken(clean):
        gate.on(event)
        gate(Frame(b"", 0), (), muted=False)
    return receiver


def test_a_voice_over_the_loudspeaker_reaches_the_captioner_before_it_ends_and_whole() -> None:
    clean = pcm(VOICE + 0.1 * FILM)
    receiver = heard(Hearing(pcm(VOICE + FILM)), clean)
    assert receiver.events == list(spoken(clean))
    released = Receiver()
    gate = EchoGate("mic", released, Hearing(pcm(VOICE + FILM)), released.publish)
    for event in list(spoken(clean))[:-2]:
        gate.on(event)
    assert len(released.events) > 20, "also before the pause"


@pytest.mark.parametrize(
    ("why", "hearing", "clean"),
    [
        ("hardly anything that the echo can't be", Hearing(pcm(FILM), share=0.3), pcm(0.1 * VOICE)),
        ("what is left is like the echo", Hearing(pcm(FILM), share=1.0), pcm(0.3 * FILM)),
        ("the raw microphone is the echo", Hearing(pcm(FILM), share=0.9), pcm(0.1 * VOICE)),
        ("no echo was known yet", Hearing(pcm(FILM), share=0.0, knows_echo=False), pcm(0.5 * FILM)),
        ("before the filter knows the room", Hearing(pcm(FILM), settled=False), pcm(0.45 * FILM + VOICE)),
    ],
)
def test_an_utterance_that_is_only_echo_is_dropped_with_its_reason(why: str, hearing: Hearing, clean: bytes) -> None:
    receiver = heard(hearing, clean)
    assert receiver.events == [], why
    ((name, fields),) = receiver.published
    assert (name, fields["source"], fields["reason"]) == ("caption.dropped", "mic", "echo")
    assert fields["seconds"] == 1.0


def test_with_headphones_a_voice_passes_though_no_echo_is_known() -> None:
    hearing = Hearing(pcm(VOICE), share=0.0, knows_echo=False)
    assert heard(hearing, pcm(VOICE)).events == list(spoken(pcm(VOICE)))


def test_a_pause_that_is_over_when_speech_is_let_through_is_not_transcribed() -> None:
    *said, paused, ended = spoken(pcm(VOICE))
    receiver, hearing = Receiver(), Hearing(pcm(VOICE + FILM), share=0.0)
    gate = EchoGate("mic", receiver, hearing, receiver.publish)
    for event in (*said[:20], paused, SpeechResumed(at=0), *said[20:], paused):
        gate.on(event)
    assert receiver.events == []
    hearing.share = 1.0
    gate(Frame(b"", 0), (), muted=False)
    gate.on(ended)
    assert receiver.events == [*said, paused, ended]


def test_while_nothing_is_played_speech_passes_at_once() -> None:
    receiver = Receiver()
    hearing = Hearing(pcm(FILM), share=0.0, active=False)
    gate = EchoGate("mic", receiver, hearing, receiver.publish)
    gate.on(next(spoken(pcm(VOICE))))
    assert len(receiver.events) == 1


def test_a_noise_that_the_segmenter_drops_is_not_reported_as_echo() -> None:
    receiver = Receiver()
    gate = EchoGate("mic", receiver, Hearing(pcm(FILM), share=0.0), receiver.publish)
    gate.on(next(spoken(pcm(FILM))))
    gate.on(SpeechDropped(0, FRAME_SAMPLES))
    assert receiver.events == []
    assert receiver.published == []
    for event in spoken(pcm(VOICE)):
        gate.on(event)
    assert gate.dropped == 1, "the next utterance is judged by itself"
