"""The microphone on a real sound server."""

from __future__ import annotations

import math
import os
import random
import time
from array import array
from itertools import pairwise
from typing import Any

import pytest
import trio

from tests.recorder import Recorder
from tests.sound.cable import MIC_HZ, SPEAKER_HZ, Cable
from voiceloop.audio.pcm import peak
from voiceloop.capture.microphone import Microphone, open_microphone
from voiceloop.config.tables import Audio
from voiceloop.types import Frame

pytestmark = pytest.mark.sound


def noise(seconds: float, rate_hz: int, *, seed: int = 1) -> bytes:
    """Nowhere alike, so that a dropped or repeated sample shows."""
    random_ = random.Random(seed)
    return array("h", [random_.randint(-9000, 9000) for _ in range(round(seconds * rate_hz))]).tobytes()


async def hear(microphone: Microphone, wanted: bytes, *, within_s: float = 10.0) -> bytes:
    """What comes out of the microphone, up to and with `wanted`."""
    heard = bytearray()
    index = 0
    with trio.fail_after(within_s):
        async for item in microphone.frames:
            assert isinstance(item, Frame)
            assert item.index == index
            index = item.end
            heard += item.pcm
            if wanted in heard[-len(wanted) - 640 :]:
                return bytes(heard)
    raise AssertionError("the microphone ended")


async def test_what_is_said_arrives_bit_for_bit(on_cable: Cable) -> None:
    said = noise(2.0, MIC_HZ)
    async with open_microphone(Audio(), Recorder()) as microphone:
        on_cable.speak(said)
        heard = await hear(microphone, said)
        assert microphone.dropped == microphone.lost == 0
        assert microphone.received >= len(heard) // 2
        assert microphone.description == "default, 16000 Hz"


async def test_the_clock_says_when_a_sample_was_captured(on_cable: Cable) -> None:
    async with open_microphone(Audio(), Recorder()) as microphone:
        ages = []
        for _ in range(100):
            frame = await microphone.frames.receive()
            assert isinstance(frame, Frame)
            ages.append(time.monotonic() - microphone.clock(frame.end))
        assert all(-0.021 < age < 0.2 for age in ages)
        assert sorted(ages)[50] < 0.03


async def test_a_device_that_refuses_the_rate_is_resampled(on_cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    import sounddevice

    real: Any = sounddevice.RawInputStream

    def picky(*, samplerate: int, **options: object) -> object:
        if samplerate == MIC_HZ:
            raise sounddevice.PortAudioError("Invalid sample rate", -9997)
        return real(samplerate=samplerate, **options)

    monkeypatch.setattr(sounddevice, "RawInputStream", picky)
    async with open_microphone(Audio(), Recorder()) as microphone:
        assert microphone.description == "default, 44100 Hz resampled to 16000 Hz"
        on_cable.speak(tone(500, 4.0))
        with trio.fail_after(10):
            heard = b""
            while not (peak(heard[-640:]) > 0.2 and len(heard) > 5 * MIC_HZ):
                item = await microphone.frames.receive()
                assert isinstance(item, Frame)
                heard += item.pcm
        assert rises(heard[-MIC_HZ:]) == pytest.approx(250, abs=1)  # half a second of it


def tone(pitch_hz: int, seconds: float) -> bytes:
    return array(
        "h", [round(12000 * math.sin(2 * math.pi * pitch_hz * n / MIC_HZ)) for n in range(round(seconds * MIC_HZ))]
    ).tobytes()


def rises(pcm: bytes) -> int:
    samples = array("h", pcm)
    return sum(a < 0 <= b for a, b in pairwise(samples))


async def test_the_monitor_is_what_the_computer_plays(on_cable: Cable) -> None:
    async with open_microphone(Audio(input="monitor"), Recorder()) as microphone:
        on_cable.speak(noise(3.0, SPEAKER_HZ), rate_hz=SPEAKER_HZ, into="speaker")
        loudest = 0.0
        with trio.fail_after(5):
            async for item in microphone.frames:
                assert isinstance(item, Frame)
                loudest = max(loudest, peak(item.pcm))
                if loudest > 0.15:
                    break
    assert "PULSE_SOURCE" not in os.environ
