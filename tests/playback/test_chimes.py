"""When a chime is played, and for how long the microphone may hear it, in virtual time."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from tests.playback.test_speaker import LATENCY_S, RATE_HZ, playing, tone
from voiceloop.playback.chimes import Chimes
from voiceloop.playback.earcon import chime, earcon

RISING, FALLING = chime(RATE_HZ, rising=True), chime(RATE_HZ, rising=False)


async def test_listening_starts_with_a_rising_and_stops_with_a_falling_chime(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        chimes = Chimes(speaker, trio.current_time, listening=False)
        chimes.tell(listening=True)
        await trio.sleep(1)
        assert bytes(device.heard).strip(b"\0") == RISING.strip(b"\0")
        device.heard.clear()
        chimes.tell(listening=False)
        await trio.sleep(1)
        assert bytes(device.heard).strip(b"\0") == FALLING.strip(b"\0")


@pytest.mark.parametrize(("tones", "seconds"), [(RISING, 0.14), (FALLING, 0.14), (earcon(RATE_HZ), 0.18)])
def test_the_tones_are_short_and_much_softer_than_speech(tones: bytes, seconds: float) -> None:
    samples = array("h", tones)
    assert len(samples) == round(seconds * RATE_HZ)
    assert 0.1 * 32_767 < max(samples) < 0.2 * 32_767
    assert max(abs(samples[0]), abs(samples[-1])) < 10  # no click
    power = sum(sample * sample for sample in samples) / len(samples)
    assert power == pytest.approx((0.15 * 32_767) ** 2 * 3 / 16, rel=0.02)  # each tone swells and fades as sin² does


@pytest.mark.parametrize(
    ("tones", "pitches_hz"), [(RISING, (1047, 1568)), (FALLING, (1568, 1047)), (earcon(RATE_HZ), (330, 247))]
)
def test_the_two_tones_have_their_pitches(tones: bytes, pitches_hz: tuple[int, int]) -> None:
    samples = np.frombuffer(tones, np.int16)
    for half, pitch_hz in zip(np.split(samples, 2), pitches_hz, strict=True):
        spectrum = np.abs(np.fft.rfft(half, RATE_HZ))  # a bin for each hertz
        assert abs(int(spectrum.argmax()) - pitch_hz) <= 2


async def test_the_same_state_again_is_silent(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        chimes = Chimes(speaker, trio.current_time, listening=True)
        chimes.tell(listening=True)
        await trio.sleep(1)
        assert not any(device.heard)


async def test_no_chime_sounds_into_a_reply_or_after_it(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        await speaker.write(tone(0.5), epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        Chimes(speaker, trio.current_time, listening=False).tell(listening=True)
        await trio.sleep(2)
        assert len(bytes(device.heard).strip(b"\0")) <= len(tone(0.5))


async def test_no_chime_sounds_while_the_end_of_a_reply_is_on_its_way_to_the_air(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, _):
        await speaker.write(tone(0.5), epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        while speaker.ring.pending:
            await speaker.changed()
        assert not speaker.chime(RISING)
        await speaker.silent()
        assert speaker.chime(RISING)


async def test_a_loudspeaker_that_is_gone_plays_no_late_chime(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        speaker.gone(away=True)
        Chimes(speaker, trio.current_time, listening=False).tell(listening=True)
        speaker.gone(away=False)
        await trio.sleep(1)
        assert not any(device.heard)


async def test_the_user_who_speaks_at_once_holds_the_next_reply_and_not_the_chime(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        Chimes(speaker, trio.current_time, listening=False).tell(listening=True)
        await trio.sleep(0.05)
        speaker.hold()
        await trio.sleep(1)
        assert bytes(device.heard).strip(b"\0") == RISING.strip(b"\0")
        assert speaker.held
        device.heard.clear()
        await speaker.write(tone(0.5), epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        await trio.sleep(1)
        assert not any(device.heard)
        speaker.resume()
        await trio.sleep(1)
        assert any(device.heard)


async def test_the_falling_chime_sounds_although_the_user_was_speaking(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        speaker.hold()
        Chimes(speaker, trio.current_time, listening=True).tell(listening=False)
        await trio.sleep(1)
        assert bytes(device.heard).strip(b"\0") == FALLING.strip(b"\0")


async def test_the_microphone_may_hear_it_from_its_start_to_the_rooms_last_echo(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, _):
        chimes = Chimes(speaker, trio.current_time, listening=False)
        await trio.sleep(1)
        began = trio.current_time()
        assert not chimes.heard_at(began)
        chimes.tell(listening=True)
        times = []
        for _ in range(100):
            await trio.sleep(0.02)
            if chimes.heard_at(trio.current_time()):
                times.append(trio.current_time() - began)
            assert not chimes.heard_at(began - 0.01)
        assert times[0] < 0.03
        assert 0.14 + LATENCY_S + 0.55 < times[-1] < 0.14 + LATENCY_S + 0.7


async def test_a_chime_is_no_reply_that_mutes_the_microphone(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, _):
        Chimes(speaker, trio.current_time, listening=False).tell(listening=True)
        assert speaker.audible
        assert speaker.chiming
        await speaker.write(tone(0.5), epoch=speaker.epoch)
        assert not speaker.chiming
