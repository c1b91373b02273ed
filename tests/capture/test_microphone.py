"""The microphone without a sound card: input from files, no input, and a fake PortAudio device."""

from __future__ import annotations

import threading
import time
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from testbed.fake_portaudio import FakePortAudio, FakeStream, Refused, Silent
from testbed.recorder import Recorder
from voiceloop.audio.portaudio import STUCK_S, Host
from voiceloop.audio.streams import ONCE_MORE_S
from voiceloop.audio.wake import Wake
from voiceloop.audio.wav import wav_bytes
from voiceloop.capture import device
from voiceloop.capture.bridge import Block, Bridge, WakeBatching
from voiceloop.capture.clock import CaptureClock
from voiceloop.capture.device import SILENT_S
from voiceloop.capture.framing import Framer
from voiceloop.capture.losses import Losses
from voiceloop.capture.microphone import Item
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.errors import BadAudioFile, DeviceError
from voiceloop.types import FRAME_SAMPLES, Frame, Gap, GapReason


def numbered(count: int, start: int = 0) -> bytes:
    return array("h", [(start + n) % 30_000 for n in range(count)]).tobytes()


async def remaining(channel: trio.MemoryReceiveChannel[Item]) -> list[Item]:
    return [item async for item in channel]


# Files, and no input


async def test_a_file_is_played_in_real_time_and_then_ends(tmp_path: Path, autojump_clock: MockClock) -> None:
    pcm = numbered(16_000 + 100)
    (tmp_path / "talk.wav").write_bytes(wav_bytes(pcm, 16_000))
    async with open_microphone(Audio(input=f"file:{tmp_path / 'talk.wav'}"), Recorder()) as microphone:
        assert microphone.description == str(tmp_path / "talk.wav")
        began = trio.current_time()
        first = await microphone.frames.receive()
        assert trio.current_time() - began == pytest.approx(0.02)
        rest = await remaining(microphone.frames)
        assert trio.current_time() - began == pytest.approx(16_100 / 16_000)
        frames = [item for item in [first, *rest] if isinstance(item, Frame)]
        assert b"".join(frame.pcm for frame in frames) == pcm
        assert [frame.index for frame in frames] == list(range(0, 16_100, FRAME_SAMPLES))
        assert (microphone.received, microphone.dropped, microphone.lost) == (16_100, 0, 0)


async def test_a_file_of_another_rate_is_resampled_and_says_so(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / "talk.wav").write_bytes(wav_bytes(numbered(8000), 8000))
    async with open_microphone(Audio(input=f"file:{tmp_path / 'talk.wav'}"), Recorder()) as microphone:
        assert microphone.description.endswith("talk.wav, 8000 Hz resampled")
        assert sum(item.samples for item in await remaining(microphone.frames) if isinstance(item, Frame)) == 16_000


async def test_a_truncated_file_is_played_as_far_as_it_goes_with_a_notice(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(wav_bytes(numbered(1000), 16_000)[:-1000])
    events = Recorder()
    async with open_microphone(Audio(input=f"file:{path}"), events) as microphone:
        assert sum(item.samples for item in await remaining(microphone.frames) if isinstance(item, Frame)) == 500
    assert events.events[0].fields["text"] == (
        f"audio.input: {path} is truncated: 1000 of 2000 bytes of sound are there, and are used."
    )


async def test_a_bad_file_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match=r"^audio\.input: .*talk\.wav can't be read: no such file"):
        async with open_microphone(Audio(input=f"file:{tmp_path / 'talk.wav'}"), Recorder()):
            pass


async def test_a_file_waits_for_a_slow_receiver_and_loses_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / "talk.wav").write_bytes(wav_bytes(numbered(32_000), 16_000))
    async with open_microphone(Audio(input=f"file:{tmp_path / 'talk.wav'}"), Recorder()) as microphone:
        await trio.sleep(60)
        assert sum(item.samples for item in await remaining(microphone.frames) if isinstance(item, Frame)) == 32_000


async def test_closing_the_channel_of_frames_is_no_error(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / "talk.wav").write_bytes(wav_bytes(numbered(32_000), 16_000))
    async with open_microphone(Audio(input=f"file:{tmp_path / 'talk.wav'}"), Recorder()) as microphone:
        await microphone.frames.aclose()
        await trio.sleep(10)


async def test_samples_of_a_file_are_skipped_while_it_is_muted(tmp_path: Path, autojump_clock: MockClock) -> None:
    pcm = numbered(48_000)
    (tmp_path / "talk.wav").write_bytes(wav_bytes(pcm, 16_000))
    async with open_microphone(Audio(input=f"file:{tmp_path / 'talk.wav'}"), Recorder()) as microphone:
        items: list[Item] = []
        for at, muted in ((1.01, True), (2.01, False), (4.0, False)):
            with trio.move_on_at(at):
                async for item in microphone.frames:
                    items.append(item)
            microphone.mute(muted=muted)
        frames = [item for item in items if isinstance(item, Frame)]
        assert [item for item in items if isinstance(item, Gap)] == [Gap(16_000, GapReason.MUTED)]
        assert b"".join(frame.pcm for frame in frames) == pcm[:32_000] + pcm[64_000:]
        assert [frame.index for frame in frames] == list(range(0, 32_000, FRAME_SAMPLES))
        assert (microphone.received, microphone.dropped, microphone.lost) == (32_000, 0, 0)


async def test_with_no_input_the_microphone_stays_open_and_silent(autojump_clock: MockClock) -> None:
    async with open_microphone(Audio(input="none"), Recorder()) as microphone:
        with trio.move_on_after(3600) as hour:
            await microphone.frames.receive()
        assert hour.cancelled_caught
        assert (microphone.description, microphone.received) == ("none", 0)


# The clock


def test_the_clock_ignores_late_blocks() -> None:
    clock = CaptureClock(16_000)
    for n in range(1, 501):
        late = 2.0 if n == 300 else 0.004 * (n % 3)
        clock.block(n * 160, 100 + n / 100 + late)
    assert clock(0) == pytest.approx(100.0, abs=0.005)
    assert clock(80_000) == pytest.approx(105.0, abs=0.005)
    assert clock.lost == 0


def test_a_stall_and_the_burst_after_it_are_no_loss() -> None:
    clock = CaptureClock(16_000)
    for n in range(1, 1001):
        clock.block(n * 160, 100 + max(n / 100, 5.0 if 200 < n < 500 else 0))
    assert clock.lost == 0
    assert clock(160_000) == pytest.approx(110, abs=0.001)


def test_samples_that_the_device_lost_are_estimated() -> None:
    clock = CaptureClock(16_000)
    for n in range(1, 1001):
        missing = 0.25 if n > 300 else 0
        clock.block(n * 160, 100 + n / 100 + missing)
    assert clock.lost == pytest.approx(4000, abs=80)
    assert clock(160_000) == pytest.approx(110.25, abs=0.005)


def test_a_device_clock_that_drifts_is_followed_and_is_no_loss() -> None:
    clock = CaptureClock(16_000)
    for n in range(1, 60_001):
        clock.block(n * 160, 100 + n / 100 * 1.0001)
    assert clock.lost == 0
    assert clock(9_600_000) == pytest.approx(100 + 600.06, abs=0.002)


def test_portaudios_times_are_used_only_where_they_agree_with_the_arrival_times() -> None:
    agreeing, wrong = CaptureClock(16_000), CaptureClock(16_000)
    for n in range(1, 301):
        arrived = 100 + n / 100
        agreeing.block(n * 160, arrived, arrived - 0.012)
        wrong.block(n * 160, arrived, arrived - 3.0)
    assert agreeing(0) == pytest.approx(99.988, abs=0.001)
    assert wrong(0) == pytest.approx(100.0, abs=0.001)


def test_the_clock_begins_anew_each_time_the_device_is_opened() -> None:
    clock = CaptureClock(16_000)
    with pytest.raises(LookupError):
        clock(0)
    for n in range(1, 101):
        clock.block(n * 160, 100 + n / 100)
    clock.restart(16_000)
    for n in range(1, 101):
        clock.block(16_000 + n * 160, 200 + n / 100)
    assert clock(8000) == pytest.approx(100.5)
    assert clock(24_000) == pytest.approx(200.5)
    assert clock.lost == 0


# From blocks to frames


def blocks_of(pcm: bytes, sizes: list[int], *, channels: int = 1, rate_hz: int = 16_000) -> list[Block]:
    """Cut `pcm` into blocks of these sizes, over and over."""
    out, at, width = [], 0, 2 * channels
    while at * width < len(pcm):
        for size in sizes:
            piece = pcm[at * width : (at + size) * width]
            if piece:
                out.append(Block(piece, at, len(piece) // width, 100 + at / rate_hz, 0.01))
            at += len(piece) // width
    return out


@given(count=st.integers(0, 3000), sizes=st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_frames_do_not_depend_on_the_blocks(count: int, sizes: list[int]) -> None:
    framer = Framer(CaptureClock(16_000))
    items = [item for block in blocks_of(numbered(count), sizes) for item in framer.take(block)] + framer.flush(
        GapReason.LOST
    )
    frames = [item for item in items if isinstance(item, Frame)]
    assert b"".join(frame.pcm for frame in frames) == numbered(count)
    assert [frame.index for frame in frames] == list(range(0, count, FRAME_SAMPLES))
    assert items[-1] == Gap(count, GapReason.LOST)
    assert framer.received == count


def test_two_channels_at_another_rate_become_16_khz_mono() -> None:
    framer = Framer(CaptureClock(16_000))
    framer.restart(rate_hz=48_000, channels=2)
    stereo = array("h", [1000, 3000] * 48_000).tobytes()
    items = [item for block in blocks_of(stereo, [480], channels=2, rate_hz=48_000) for item in framer.take(block)]
    frames = [item for item in items if isinstance(item, Frame)]
    samples = array("h", b"".join(frame.pcm for frame in frames))
    assert 15_000 < len(samples) <= 16_000
    assert set(samples[500:]) == {2000}
    assert [frame.index for frame in frames] == list(range(0, len(samples), FRAME_SAMPLES))


def test_dropped_blocks_leave_a_gap_and_are_counted() -> None:
    framer = Framer(CaptureClock(16_000))
    blocks = blocks_of(numbered(1600), [160])
    items = [item for n, block in enumerate(blocks) if n not in (3, 4) for item in framer.take(block)]
    assert [(type(item).__name__, item.index) for item in items] == [
        ("Frame", 0),
        ("Frame", 320),
        ("Gap", 800),
        ("Frame", 800),
        ("Frame", 1120),
    ]
    assert items[1] == Frame(numbered(160, 320), 320)
    assert (framer.received, framer.dropped) == (1600, 320)


def test_indices_go_on_over_a_reopened_device() -> None:
    framer = Framer(CaptureClock(16_000))
    items: list[Frame | Gap] = []
    for _ in range(2):
        framer.restart(rate_hz=16_000, channels=1)
        items += [item for block in blocks_of(numbered(400), [160]) for item in framer.take(block)]
        items += framer.flush(GapReason.LOST)
    assert [(type(item).__name__, item.index) for item in items] == [
        ("Frame", 0),
        ("Frame", 320),
        ("Gap", 400),
        ("Frame", 400),
        ("Frame", 720),
        ("Gap", 800),
    ]


# The callback


def call(bridge: Bridge, count: int, *, overflow: bool = False) -> None:
    """Call the callback with `count` silent blocks of 20 ms."""
    times = SimpleNamespace(currentTime=5.0, inputBufferAdcTime=4.98)
    for _ in range(count):
        bridge.callback(bytearray(640), 320, times, SimpleNamespace(input_overflow=overflow))


@pytest.mark.parametrize("blocks", [1, 3])
async def test_the_loop_is_woken_after_each_block_or_after_each_batch_of_three(blocks: int) -> None:
    wake, batching = Wake(), WakeBatching()
    batching.blocks = blocks
    bridge = Bridge(wake, batching)
    call(bridge, blocks - 1)
    with trio.move_on_after(0.05) as waiting:
        await wake.wait()
    assert waiting.cancelled_caught
    await trio.to_thread.run_sync(call, bridge, 1)
    with trio.fail_after(60):
        await wake.wait()
    assert [(block.start, block.frames) for block in bridge.blocks] == [(320 * at, 320) for at in range(blocks)]
    assert bridge.blocks[0].age_s == pytest.approx(0.02)
    wake.close()


def test_blocks_are_dropped_and_counted_when_the_loop_stalls_for_more_than_30_s() -> None:
    wake = Silent()
    bridge = Bridge(wake, WakeBatching())
    call(bridge, 1500)
    assert (bridge.received, bridge.dropped) == (480_000, 0)
    call(bridge, 2, overflow=True)
    assert (bridge.received, bridge.dropped, bridge.overflows) == (480_640, 640, 2)
    framer = Framer(CaptureClock(16_000))
    for block in bridge.blocks:
        framer.take(block)
    bridge.blocks.clear()
    call(bridge, 1)
    items = framer.take(bridge.blocks.popleft())
    assert items == [Gap(480_640, GapReason.STALLED), Frame(bytes(640), 480_640)]
    assert (framer.received, framer.dropped) == (480_960, 640)


def test_a_late_callback_of_a_retired_stream_does_nothing() -> None:
    wake = Silent()
    bridge = Bridge(wake, WakeBatching())
    bridge.retired = True
    call(bridge, 5)
    bridge.on_finished()
    assert (bridge.received, len(bridge.blocks), bridge.finished) == (0, 0, False)


# The device


def drain(library: FakePortAudio) -> list[str]:
    """Return the calls made to PortAudio since the last time."""
    done, library.done[:] = list(library.done), []
    return done


async def test_the_microphone_is_closed_for_a_moment_when_the_device_list_must_be_refreshed() -> None:
    """The loudspeaker's device is new: for PortAudio to see it, every stream must be closed for a moment."""
    library = FakePortAudio()
    host = Host(lambda: library)
    events = Recorder()
    async with open_microphone(Audio(), events, host=host) as microphone:
        assert drain(library) == ["start"]
        host.suspect()
        host.on_stale["input"]()
        assert await microphone.frames.receive() == Gap(0, GapReason.DEVICES_CHANGED)
        await trio.to_thread.run_sync(library.started.acquire)
        await trio.to_thread.run_sync(library.started.acquire)
        assert drain(library) == ["abort", "close", "terminate", "initialize", "start"]
    # A thread closes the second stream if the end came before the loop knew of it.
    for _ in range(2):
        assert await trio.to_thread.run_sync(lambda: library.closed.acquire(timeout=60))
    assert drain(library) == ["abort", "close"]
    assert events.events == []


async def test_a_stream_that_is_opened_too_late_is_closed() -> None:
    library = FakePortAudio()
    going_on = threading.Event()
    library.refuse = lambda rate_hz, channels: going_on.wait(60)
    with trio.move_on_after(0.05):
        async with open_microphone(Audio(), Recorder(), host=Host(lambda: library)):
            raise AssertionError("the microphone is still being opened")
    going_on.set()
    assert await trio.to_thread.run_sync(lambda: library.closed.acquire(timeout=60))
    assert library.done == ["start", "abort", "close"]


async def test_a_stream_that_never_closes_does_not_keep_the_microphone_deaf() -> None:
    """After a restart of PipeWire, PortAudio's abort may never return. The device list can't be renewed beside it."""
    library = FakePortAudio()
    host = Host(lambda: library)
    restarted = threading.Event()
    library.before_abort = lambda: restarted.wait(120)
    async with open_microphone(Audio(), Recorder(), host=host) as microphone:
        assert drain(library) == ["start"]
        host.suspect()
        host.on_stale["input"]()
        assert await microphone.frames.receive() == Gap(0, GapReason.DEVICES_CHANGED)
        with trio.fail_after(60):
            for _ in range(2):
                await trio.to_thread.run_sync(library.started.acquire, abandon_on_cancel=True)
        assert drain(library) == ["start"]
        with trio.fail_after(60):
            while not host.stuck:  # noqa: ASYNC110 - a thread that a busy machine begins late
                await trio.sleep(0.01)
        restarted.set()
        assert await trio.to_thread.run_sync(lambda: library.closed.acquire(timeout=60))
        assert drain(library) == ["abort", "close"]
        assert host.stuck == 0
    assert await trio.to_thread.run_sync(lambda: library.closed.acquire(timeout=60))


async def test_an_opening_that_hangs_is_told_and_waited_for() -> None:
    library = FakePortAudio()
    host = Host(lambda: library)
    told, going_on = threading.Event(), threading.Event()
    host.on_stuck = told.set
    library.refuse = lambda rate_hz, channels: going_on.wait(120) and None
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            async with open_microphone(Audio(), Recorder(), host=host):
                assert host.hung_s == 0

        assert await trio.to_thread.run_sync(lambda: told.wait(60))
        assert STUCK_S <= host.hung_s < 120
        going_on.set()


@pytest.mark.parametrize("wait_s", [0.0, 5.0])
async def test_after_a_start_anew_the_first_opening_is_tried_again_while_devices_come_back(wait_s: float) -> None:
    library, left = FakePortAudio(), 3
    host = Host(lambda: library)
    host.first_wait_s = wait_s

    def refuse(rate_hz: int, channels: int) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Refused("Device unavailable", -9985)

    library.refuse = refuse
    if not wait_s:
        with pytest.raises(DeviceError):
            async with open_microphone(Audio(), Recorder(), host=host):
                raise AssertionError("it is opened")
        return
    async with open_microphone(Audio(), Recorder(), host=host):
        assert library.done[-1] == "start"


async def test_a_process_that_stood_still_does_not_take_its_device_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stop, or while something held the GIL, the loop may run before the callbacks that are due."""
    monkeypatch.setattr(device, "ONCE_MORE_S", 60.0)  # however late a busy machine makes the callback
    library = CallingPortAudio()
    async with open_microphone(Audio(), Recorder(), host=Host(lambda: library)) as microphone:
        await trio.to_thread.run_sync(library.call)
        await microphone.frames.receive()
        time.sleep(0.6)  # noqa: ASYNC251 - the loop, too, stands still
        await trio.sleep(0.05)
        await trio.to_thread.run_sync(library.call)
        item = await microphone.frames.receive()
    assert isinstance(item, Frame)


async def test_a_loop_that_stood_still_while_more_came_than_the_channel_holds_loses_nothing() -> None:
    library = CallingPortAudio()
    async with open_microphone(Audio(), Recorder(), host=Host(lambda: library)) as microphone:
        await trio.to_thread.run_sync(library.call)
        await microphone.frames.receive()
        for _ in range(60):
            library.call()
        time.sleep(0.6)  # noqa: ASYNC251 - the loop stands still, until the wait for the device is over
        received = [await microphone.frames.receive() for _ in range(60)]
    assert [item.index for item in received] == [FRAME_SAMPLES * (1 + n) for n in range(60)]


async def test_what_is_received_is_what_comes_out_however_often_the_loop_stands_still() -> None:
    """For over a second each time: longer than the channel holds, and than the device may be silent."""
    library, samples, calls, on = CallingPortAudio(), 0, 0, True

    def play() -> None:
        nonlocal calls
        while on:
            library.call()
            calls += 1
            time.sleep(0.02)

    async def listen(frames: trio.MemoryReceiveChannel[Frame | Gap]) -> None:
        nonlocal samples
        async for item in frames:
            if isinstance(item, Frame):
                assert item.index == samples
                samples = item.end

    async with open_microphone(Audio(), Recorder(), host=Host(lambda: library)) as microphone:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, microphone.frames)
            nursery.start_soon(trio.to_thread.run_sync, play)
            try:
                for awake_s in (0.3, 0.02, 0.001):
                    await trio.sleep(awake_s)
                    time.sleep(1.4)  # noqa: ASYNC251 - the loop stands still
            finally:
                on = False
            with trio.fail_after(20):
                while samples < calls * FRAME_SAMPLES:  # noqa: ASYNC110 - counted by a thread
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert samples == calls * FRAME_SAMPLES == microphone.received
        assert microphone.dropped == 0


async def test_a_device_that_falls_silent_is_lost_within_a_second() -> None:
    library = CallingPortAudio()
    async with open_microphone(Audio(), Recorder(), host=Host(lambda: library)) as microphone:
        await trio.to_thread.run_sync(library.call)
        await microphone.frames.receive()
        assert SILENT_S + ONCE_MORE_S < 1.0
        with trio.fail_after(60):  # with what a busy machine adds
            assert await microphone.frames.receive() == Gap(320, GapReason.SILENT)


async def test_lost_sound_is_told_once_it_is_more_than_a_trifle() -> None:
    library, events = CallingPortAudio(), Recorder()
    async with open_microphone(Audio(), events, host=Host(lambda: library)) as microphone:
        for lost in (1600, 4800, 9600):
            microphone.clock.lost = lost
            await trio.to_thread.run_sync(library.call)
            await microphone.frames.receive()
    (notice,) = [str(event.fields["text"]) for event in events.events if event.name == "notice"]
    assert notice.startswith("audio.input: 0.3 s of sound were lost before they reached the program.")


def test_losses_are_told_at_most_once_a_minute_and_then_together() -> None:
    losses = Losses()
    told = [
        (at, losses.feed(lost, at))
        for at, lost in ((1, 3199), (2, 3200), (3, 9600), (61, 9600), (62, 16_000), (200, 16_001))
    ]
    assert [(at, lost_s) for at, lost_s in told if lost_s] == [(2, 0.2), (62, 0.8)]


class CallingPortAudio(FakePortAudio):
    """A device whose callback is called by the test."""

    def _open(self, **options: Any) -> FakeStream:
        self.callback = options["callback"]
        return super()._open(**options)

    RawInputStream = RawOutputStream = _open

    def call(self) -> None:
        """Give a block of 20 ms."""
        times = SimpleNamespace(currentTime=5.0, inputBufferAdcTime=4.98)
        self.callback(bytearray(640), 320, times, SimpleNamespace(input_overflow=False))
