"""The loudspeaker in virtual time: a fake device pulls 10 ms every 10 ms."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from testbed.fake_portaudio import Silent
from testbed.recorder import Recorder
from voiceloop.audio.wav import read_wav
from voiceloop.config.tables import Audio
from voiceloop.errors import DeviceError
from voiceloop.playback.output import open_speaker
from voiceloop.playback.puller import Puller
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap

RATE_HZ = 8000
BLOCK = 80
LATENCY_S = 0.03


def tone(seconds: float, *, start: int = 0) -> bytes:
    count = round(seconds * RATE_HZ)
    return array("h", [1 + (start + n) % 30_000 for n in range(count)]).tobytes()


class Device:
    """A fake device that pulls in real time by Trio's clock, and records what it plays."""

    def __init__(self, speaker: Speaker) -> None:
        self.heard = bytearray()
        self._speaker = speaker

    async def run(self) -> None:
        block = memoryview(bytearray(2 * BLOCK))
        due = trio.current_time()
        while True:
            self._speaker.ring.read_into(block)
            self.heard += block
            self._speaker.pulled()
            due += BLOCK / RATE_HZ
            await trio.sleep_until(due)


@asynccontextmanager
async def playing(*, buffer_s: float = 4.0, jitter_buffer_ms: int = 40) -> AsyncIterator[tuple[Speaker, Device]]:
    ring = Ring(round(buffer_s * RATE_HZ), RATE_HZ, prefill=jitter_buffer_ms * RATE_HZ // 1000)
    speaker = Speaker(ring, latency_s=LATENCY_S)
    device = Device(speaker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.run)
        yield speaker, device
        nursery.cancel_scope.cancel()


async def test_a_reply_is_drained_when_its_last_sample_was_heard(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        began = trio.current_time()
        assert await speaker.write(tone(1.0), epoch=0)
        assert trio.current_time() == began
        assert speaker.audible
        assert await speaker.drained(epoch=0)
        assert trio.current_time() - began == pytest.approx(1.0 + LATENCY_S, abs=0.011)
        assert not speaker.audible
        assert tone(1.0) in device.heard


async def test_a_short_reply_is_heard_too(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        assert await speaker.write(tone(0.01), epoch=0)
        await trio.sleep(1)
        assert not any(device.heard)
        assert await speaker.drained(epoch=0)
        assert tone(0.01) in device.heard


async def test_a_writer_waits_for_room_and_nothing_is_dropped(autojump_clock: MockClock) -> None:
    async with playing(buffer_s=0.5) as (speaker, device):
        began = trio.current_time()
        assert await speaker.write(tone(3.0), epoch=0)
        assert trio.current_time() - began == pytest.approx(2.5, abs=0.02)
        assert await speaker.drained(epoch=0)
        assert tone(3.0) in device.heard
        assert speaker.ring.underruns == 0


@pytest.mark.parametrize("waiting", ["write", "drained"])
async def test_a_cancel_ends_every_wait(waiting: str, autojump_clock: MockClock) -> None:
    async with playing(buffer_s=0.5 if waiting == "write" else 4) as (speaker, device):
        answers: list[tuple[bool, float]] = []

        async def wait() -> None:
            answer = await speaker.write(tone(3.0), epoch=0)
            if waiting == "drained":
                answer = await speaker.drained(epoch=0)
            answers.append((answer, trio.current_time()))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(1.0)
            now = trio.current_time()
            end = speaker.written
            assert speaker.cancel() == speaker.epoch == 1
        assert answers == [(False, now)]
        await speaker.silent()
        assert trio.current_time() - now == pytest.approx(LATENCY_S, abs=0.011)
        assert await speaker.write(tone(0.2, start=9000), epoch=1)
        assert await speaker.drained(epoch=1)
        assert tone(0.2, start=9000) in device.heard
        assert speaker.played_in(0, end) == pytest.approx(1.0 * RATE_HZ, abs=2 * BLOCK)


async def test_a_stale_epoch_is_refused_at_once(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, _):
        speaker.cancel()
        assert not await speaker.write(tone(0.1), epoch=0)
        assert not await speaker.drained(epoch=0)
        assert speaker.written == 0


async def test_a_hold_is_silent_soon_and_loses_nothing(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        assert await speaker.write(tone(1.0), epoch=0)
        await trio.sleep(0.5)
        speaker.hold()
        assert speaker.held
        now = trio.current_time()
        await speaker.silent()
        assert trio.current_time() - now <= LATENCY_S + 0.011
        held_at = speaker.played
        await trio.sleep(5)
        assert speaker.played == held_at
        assert not speaker.audible
        speaker.resume()
        assert speaker.audible
        began = trio.current_time()
        assert await speaker.drained(epoch=0)
        assert trio.current_time() - began == pytest.approx(0.5 + LATENCY_S, abs=0.03)
        assert tone(1.0)[: 2 * held_at] in device.heard
        assert tone(1.0)[2 * held_at + 80 :] in device.heard
        assert (speaker.ring.played, speaker.ring.underruns) == (RATE_HZ, 0)


async def test_ducking_lowers_the_level_and_restores_it(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, device):
        assert await speaker.write(array("h", [10_000] * RATE_HZ).tobytes(), epoch=0)
        await trio.sleep(0.3)
        speaker.gain = 0.25
        await trio.sleep(0.3)
        speaker.gain = 1.0
        assert await speaker.drained(epoch=0)
        heard = array("h", bytes(device.heard))
        assert {heard[2000], heard[3600], heard[6000]} == {10_000, 2_500}
        assert speaker.gain == 1.0


async def test_an_idle_speaker_is_silent_at_once(autojump_clock: MockClock) -> None:
    async with playing() as (speaker, _):
        began = trio.current_time()
        await speaker.silent()
        assert await speaker.drained(epoch=0)
        assert trio.current_time() == began


async def test_nobody_waits_for_a_device_that_is_lost(autojump_clock: MockClock) -> None:
    speaker = Speaker(Ring(100, RATE_HZ))
    answers: list[bool] = []

    async def write() -> None:
        answers.append(await speaker.write(tone(1.0), epoch=0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await trio.sleep(1)
        assert answers == []
        speaker.gone(away=True)
    assert answers == [False]
    assert not await speaker.write(tone(0.001), epoch=speaker.epoch)
    assert not await speaker.drained(epoch=speaker.epoch)
    await speaker.silent()
    speaker.gone(away=False)
    speaker.ring.read_into(memoryview(bytearray(2)))
    assert await speaker.write(tone(0.001), epoch=speaker.epoch)


async def test_a_hold_outlasts_the_loss_of_the_device(autojump_clock: MockClock) -> None:
    """The user still speaks: when the device is back, nothing may sound over that."""
    await trio.lowlevel.checkpoint()
    speaker = Speaker(Ring(RATE_HZ, RATE_HZ))
    speaker.hold()
    speaker.gone(away=True)
    assert speaker.held
    speaker.resume()
    speaker.gone(away=True)
    assert not speaker.held


async def test_each_use_starts_a_device_that_was_stopped(autojump_clock: MockClock) -> None:
    speaker = Speaker(Ring(10_000, RATE_HZ))
    started: list[str] = []
    speaker.on_ready = lambda: started.append("start")
    speaker.ready()
    await speaker.write(tone(0.1), epoch=0)
    speaker.finish(epoch=0)
    speaker.enough(epoch=0)
    speaker.resume()
    assert len(started) == 5


async def test_a_trace_sees_each_pull_before_a_waiting_writer_overwrites_what_was_read(
    autojump_clock: MockClock,
) -> None:
    async with playing(buffer_s=0.5) as (speaker, _):
        seen = bytearray()

        def watch(speaker: Speaker) -> None:
            seen.extend(speaker.ring.recent(speaker.ring.played - len(seen) // 2))

        speaker.watch = watch
        assert await speaker.write(tone(2.0), epoch=0)
        assert await speaker.drained(epoch=0)
        assert bytes(seen) == tone(2.0)


async def test_whatever_waits_lets_other_tasks_run_even_if_there_is_nothing_to_wait_for() -> None:
    speaker = Speaker(Ring(10_000, RATE_HZ))
    with assert_checkpoints():
        assert await speaker.write(tone(0.1), epoch=0)
    speaker.cancel()
    with assert_checkpoints():
        await speaker.silent()
    with assert_checkpoints():
        assert not await speaker.drained(epoch=0)


# `file:` and `none`


async def test_a_file_holds_what_was_played_without_the_long_silences(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "reply.wav"
    async with open_speaker(Audio(output=f"file:{path}", output_rate_hz=RATE_HZ), Recorder()) as speaker:
        assert (speaker.rate_hz, speaker.description) == (RATE_HZ, f"{path}, {RATE_HZ} Hz")
        for start in (0, 9000):
            await trio.sleep(60)
            began = trio.current_time()
            assert await speaker.write(tone(1.0, start=start), epoch=0)
            assert await speaker.drained(epoch=0)
            assert trio.current_time() - began == pytest.approx(1.0, abs=0.03)
        assert tone(1.0, start=9000) in read_wav(path).pcm  # valid while it is being written
    played = read_wav(path)
    assert played.rate_hz == RATE_HZ
    assert tone(1.0) in played.pcm
    assert tone(1.0, start=9000) in played.pcm
    assert played.duration_s < 4


async def test_output_none_plays_in_real_time(autojump_clock: MockClock) -> None:
    async with open_speaker(Audio(output="none", output_rate_hz=RATE_HZ, buffer_s=0.5), Recorder()) as speaker:
        began = trio.current_time()
        assert await speaker.write(tone(3.0), epoch=0)
        assert await speaker.drained(epoch=0)
        assert trio.current_time() - began == pytest.approx(3.0, abs=0.05)
        assert speaker.description == f"none, {RATE_HZ} Hz"


async def test_a_held_file_waits_and_goes_on(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "reply.wav"
    async with open_speaker(Audio(output=f"file:{path}", output_rate_hz=RATE_HZ), Recorder()) as speaker:
        assert await speaker.write(tone(1.0), epoch=0)
        await trio.sleep(0.5)
        speaker.hold()
        await trio.sleep(600)
        speaker.resume()
        assert await speaker.drained(epoch=0)
    assert speaker.ring.played == RATE_HZ
    assert read_wav(path).duration_s < 3


async def test_a_file_that_cannot_be_created_is_an_error_at_the_start(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    with pytest.raises(DeviceError, match=r"^audio\.output: .*reply\.wav can't be written: no such file"):
        async with open_speaker(Audio(output=f"file:{tmp_path / 'none' / 'reply.wav'}"), Recorder()):
            pass


# The callback


def pull(puller: Puller, frames: int, *, channels: int = 1, underflow: bool = False) -> list[int]:
    out = bytearray(b"\x55" * (2 * frames * channels))
    puller.callback(out, frames, None, SimpleNamespace(output_underflow=underflow))
    return list(array("h", bytes(out)))


def test_a_device_of_many_channels_gets_the_same_on_each() -> None:
    ring = Ring(1000, RATE_HZ)
    puller = Puller(Silent())
    assert pull(puller, 2) == [0, 0]  # no ring is attached yet
    puller.attach(ring, rate_hz=RATE_HZ, channels=3)
    ring.write(array("h", [1, 2]).tobytes(), 0)
    ring.finish(0)
    assert pull(puller, 3, channels=3) == [1, 1, 1, 2, 2, 2, 0, 0, 0]
    puller.retired = True
    ring.write(array("h", [3]).tobytes(), 0)
    ring.finish(0)
    assert pull(puller, 1, channels=3) == [0, 0, 0]
    assert ring.pending == 1


def test_after_an_underflow_of_the_device_the_tap_counts_from_zero_again() -> None:
    tap = Tap()
    puller = Puller(Silent(), tap)
    puller.attach(Ring(1000, RATE_HZ), rate_hz=RATE_HZ, channels=1)
    for underflow in (False, False, True, False):
        pull(puller, BLOCK, underflow=underflow)
    blocks = tap.take()
    places = [(block.stream - blocks[0].stream, block.start) for block in blocks]
    assert places == [(0, 0), (0, BLOCK), (1, 0), (1, BLOCK)]


def test_an_underflow_of_the_device_is_nothing_to_a_loudspeaker_that_nobody_taps() -> None:
    ring = Ring(1000, RATE_HZ)
    puller = Puller(Silent())
    puller.attach(ring, rate_hz=RATE_HZ, channels=1)
    ring.write(array("h", [1, 2, 3]).tobytes(), 0)
    ring.finish(0)
    assert pull(puller, 3, underflow=True) == [1, 2, 3]


def test_a_device_that_came_back_at_another_rate_gets_resampled_audio() -> None:
    ring = Ring(RATE_HZ, RATE_HZ)
    puller = Puller(Silent())
    puller.attach(ring, rate_hz=2 * RATE_HZ, channels=1)
    ring.write(array("h", [10_000] * RATE_HZ).tobytes(), 0)
    ring.finish(0)
    heard = [sample for _ in range(100) for sample in pull(puller, 2 * BLOCK)]
    assert ring.pending <= 2 * BLOCK
    assert set(heard[2000:14_000]) == {10_000}
