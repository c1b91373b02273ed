"""The microphone on a real sound server."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
import trio

from testbed.recorder import Recorder
from testbed.sound.cable import MIC_HZ, PATIENCE_S, SPEAKER_HZ, Cable
from testbed.sound.samples import noise, rises, tone
from voiceloop.audio.pcm import peak
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.types import Frame, Gap, GapReason

pytestmark = pytest.mark.sound


async def hear(cable: Cable, microphone: Microphone, wanted: bytes) -> bytes:
    """Return what the microphone delivers up to the end of `wanted`. All of `wanted` must be in it, in order."""
    heard = bytearray()
    index: int | None = None
    with trio.fail_after(PATIENCE_S):
        while not cable.compare.ends(wanted, bytes(heard)):
            item = await microphone.frames.receive()
            assert isinstance(item, Frame)
            assert index in (None, item.index)
            index = item.end
            heard += item.pcm
    cable.compare.gaps(wanted, bytes(heard))
    return bytes(heard)


async def test_sound_at_the_microphone_arrives(on_cable: Cable) -> None:
    said = noise(2.0, MIC_HZ)
    async with open_microphone(Audio(), Recorder()) as microphone:
        on_cable.speak(said)
        heard = await hear(on_cable, microphone, said)
        assert microphone.dropped == microphone.lost == 0
        assert microphone.received >= len(heard) // 2
        assert microphone.description == "Cable Microphone, 16000 Hz"


async def test_the_clock_says_when_a_sample_was_captured(on_cable: Cable) -> None:
    async with open_microphone(Audio(), Recorder()) as microphone:
        soon = 0
        with trio.fail_after(PATIENCE_S):
            while soon < 50:  # those that a busy machine delays don't count
                frame = await microphone.frames.receive()
                assert isinstance(frame, Frame)
                age = time.monotonic() - microphone.clock(frame.end)
                assert age > -0.021
                soon += age < 0.03


async def test_the_sound_of_a_device_that_refuses_the_rate_is_resampled(
    on_cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sounddevice

    real: Any = sounddevice.RawInputStream

    def refuse_16_khz(*, samplerate: int, **options: object) -> object:
        if samplerate == MIC_HZ:
            raise sounddevice.PortAudioError("Invalid sample rate", -9997)
        return real(samplerate=samplerate, **options)

    monkeypatch.setattr(sounddevice, "RawInputStream", refuse_16_khz)
    async with open_microphone(Audio(), Recorder()) as microphone:
        assert microphone.description.endswith(", 44100 Hz resampled to 16000 Hz")
        on_cable.speak(tone(500, 4.0, MIC_HZ))
        with trio.fail_after(PATIENCE_S):
            heard = b""
            while rises(heard[-MIC_HZ:]) != pytest.approx(250, abs=1):  # half a second of it
                item = await microphone.frames.receive()
                assert isinstance(item, Frame)
                heard += item.pcm


async def test_the_monitor_records_what_the_computer_plays(on_cable: Cable) -> None:
    async with open_microphone(Audio(input="monitor"), Recorder()) as microphone:
        on_cable.speak(noise(3.0, SPEAKER_HZ), rate_hz=SPEAKER_HZ, into="speaker")
        loudest = 0.0
        with trio.fail_after(PATIENCE_S):
            async for item in microphone.frames:
                assert isinstance(item, Frame)
                loudest = max(loudest, peak(item.pcm))
                if loudest > 0.15:
                    break
    assert "PULSE_SOURCE" not in os.environ


def recording(cable: Cable) -> list[str]:
    """List the programs that have the microphone open."""
    lines = cable.pactl("list", "short", "source-outputs").splitlines()
    return [line for line in lines if "protocol-native" in line or "\tPipeWire\t" in line]


def wait_until_closed(cable: Cable) -> None:
    while recording(cable):  # each call of pactl takes some 20 ms
        pass


async def test_muting_closes_the_device_and_every_sample_is_accounted_for(on_cable: Cable) -> None:
    recorder = Recorder()
    async with open_microphone(Audio(), recorder) as microphone:
        received, gaps_, muted_for_s = 0, [], []
        for _ in range(3):
            with trio.fail_after(PATIENCE_S):
                for _ in range(25):
                    item = await microphone.frames.receive()
                    if isinstance(item, Frame):
                        assert item.index == received
                        received = item.end
                assert len(recording(on_cable)) == 1
                microphone.mute(muted=True)
                began = time.monotonic()
                while not isinstance(item := await microphone.frames.receive(), Gap):
                    received = item.end
                gaps_.append(item)
                await trio.to_thread.run_sync(wait_until_closed, on_cable, abandon_on_cancel=True)
                muted_for_s.append(time.monotonic() - began)
            assert item == Gap(received, GapReason.MUTED)
            assert microphone.received == received
            with pytest.raises(trio.TooSlowError), trio.fail_after(0.2):
                await microphone.frames.receive()
            microphone.mute(muted=False)
        with trio.fail_after(PATIENCE_S):
            frame = await microphone.frames.receive()
        assert isinstance(frame, Frame)
        assert frame.index == received
        assert (microphone.dropped, microphone.lost) == (0, 0)
        assert min(muted_for_s) < 1.0  # a busy machine delays some
    assert "device.lost" not in recorder.names
