"""Devices that are lost during use and come back, and a sound server that hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import trio

from testbed.recorder import Recorder
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable
from testbed.sound.samples import gaps, noise
from tests.sound.test_capture import hear
from tests.sound.test_playback import heard_up_to
from voiceloop.audio.streams import devices
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.errors import DeviceError, NoSuchDevice
from voiceloop.playback.output import open_speaker
from voiceloop.types import Frame, Gap

pytestmark = pytest.mark.sound

NOTICED_S = 0.6
BACK_S = 5.0


async def next_gap(microphone: Microphone) -> Gap:
    async for item in microphone.frames:
        if isinstance(item, Gap):
            return item
    raise AssertionError("the microphone ended")


def suspend(cable: Cable) -> None:
    cable.pactl("suspend-source", "mic", "1")


def wake(cable: Cable) -> None:
    cable.pactl("suspend-source", "mic", "0")


def unload(cable: Cable) -> None:
    """Unload both sources: while another exists, the server just moves the stream there."""
    cable.pactl("unload-module", cable.module("sink_name=mic_cable"))
    cable.pactl("unload-module", cable.module("sink_name=speaker"))


def load(cable: Cable) -> None:
    cable.load()


LOSSES = pytest.mark.parametrize(
    ("lose", "restore"),
    [(Cable.kill, Cable.start), (Cable.stop, Cable.resume), (suspend, wake), (unload, load)],
    ids=["server-killed", "server-stopped", "suspended", "unloaded"],
)


@LOSSES
async def test_a_lost_microphone_is_noticed_and_comes_back(
    on_cable: Cable, lose: Callable[[Cable], None], restore: Callable[[Cable], None]
) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events) as microphone:
        before = await microphone.frames.receive()
        assert isinstance(before, Frame)
        await trio.to_thread.run_sync(lose, on_cable)
        gone = trio.current_time()
        lost = await events.wait_for("device.lost", within_s=2, which="microphone")
        assert lost.at - gone < NOTICED_S
        gap = await next_gap(microphone)
        await trio.to_thread.run_sync(restore, on_cable)
        await events.wait_for("device.back", within_s=BACK_S, which="microphone")
        after = await microphone.frames.receive()
        assert isinstance(after, Frame)
        assert after.index == gap.index
        said = noise(0.5, MIC_HZ)
        on_cable.speak(said)
        await hear(microphone, said)
    assert events.names == ["device.lost", "device.back"]


@LOSSES
async def test_a_lost_loudspeaker_is_noticed_and_the_reply_goes_on(
    on_cable: Cable, lose: Callable[[Cable], None], restore: Callable[[Cable], None]
) -> None:
    if lose is suspend:
        lose, restore = suspend_sink, wake_sink
    events = Recorder()
    reply = noise(2.0, SPEAKER_HZ)
    async with open_speaker(Audio(), events) as speaker:
        assert await speaker.write(reply, epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        while speaker.played < SPEAKER_HZ // 2:
            await speaker.changed()
        await trio.to_thread.run_sync(lose, on_cable)
        gone = trio.current_time()
        lost = await events.wait_for("device.lost", within_s=2, which="loudspeaker")
        assert lost.at - gone < NOTICED_S
        held = speaker.played
        assert held < len(reply) // 2
        await trio.to_thread.run_sync(restore, on_cable)
        await events.wait_for("device.back", within_s=BACK_S, which="loudspeaker")
        with trio.fail_after(5):
            assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.played_in(0, len(reply) // 2) == len(reply) // 2
    assert events.names == ["device.lost", "device.back"]


def suspend_sink(cable: Cable) -> None:
    cable.pactl("suspend-sink", "speaker", "1")


def wake_sink(cable: Cable) -> None:
    cable.pactl("suspend-sink", "speaker", "0")


async def test_no_writer_waits_for_a_loudspeaker_that_stays_lost(on_cable: Cable) -> None:
    events = Recorder()
    async with open_speaker(Audio(buffer_s=1), events) as speaker:
        epoch = speaker.epoch
        await trio.to_thread.run_sync(on_cable.kill)
        await events.wait_for("device.lost", within_s=2)
        with trio.fail_after(5):
            assert not await speaker.write(noise(3.0, SPEAKER_HZ), epoch=epoch)
            assert not await speaker.write(noise(0.1, SPEAKER_HZ), epoch=speaker.epoch)
            assert not await speaker.drained(epoch=speaker.epoch)
        assert "discarded" in str((await events.wait_for("notice", within_s=1)).fields["text"])
        await trio.to_thread.run_sync(on_cable.start)
        await events.wait_for("device.back", within_s=BACK_S)
        with trio.fail_after(5):
            assert await speaker.write(noise(0.5, SPEAKER_HZ), epoch=speaker.epoch)
            assert await speaker.drained(epoch=speaker.epoch)


async def test_the_loudspeaker_goes_on_while_the_microphone_is_gone(on_cable: Cable) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events), open_speaker(Audio(), events) as speaker:
        with on_cable.listening() as listener:
            reply = noise(2.0, SPEAKER_HZ)
            assert await speaker.write(reply, epoch=speaker.epoch)
            await trio.to_thread.run_sync(suspend, on_cable)
            await events.wait_for("device.lost", within_s=2, which="microphone")
            assert await speaker.drained(epoch=speaker.epoch)
            assert speaker.ring.underruns == 0
            gaps(reply, await heard_up_to(listener, reply))


@pytest.mark.parametrize("then_killed", [False, True])
async def test_closing_takes_less_than_a_second_while_the_server_hangs(on_cable: Cable, then_killed: bool) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events), open_speaker(Audio(), events) as speaker:
        await speaker.write(noise(1.0, SPEAKER_HZ), epoch=speaker.epoch)
        await trio.to_thread.run_sync(on_cable.stop)
        if then_killed:
            await events.wait_for("device.lost", within_s=2, which="microphone")
        began = time.monotonic()
    assert time.monotonic() - began < 1.0


async def test_a_server_that_hangs_at_the_start_is_an_error(on_cable: Cable) -> None:
    on_cable.stop()
    with pytest.raises(DeviceError, match=r"^audio\.input: the sound server has not answered for 5 s\. Restart it"):
        async with open_microphone(Audio(), Recorder()):
            pass


def test_the_program_reports_a_server_that_hangs(cable: Cable) -> None:
    """sounddevice redirects standard error while it is imported, and that import hangs here."""
    cable.stop()
    done = subprocess.run(
        [sys.executable, "-m", "voiceloop", "devices"],
        env=cable.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 74
    assert done.stderr.startswith("voiceloop: audio: the sound server has not answered for 5 s. Restart it")
    assert done.stderr.count("\n") == 1


def test_the_program_lists_the_devices(cable: Cable) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voiceloop", "devices"], env=cable.env, capture_output=True, text=True, check=True
    )
    assert [line.split()[1] for line in done.stdout.splitlines()][:3] == ["name", "pulse", "default"]
    assert done.stderr == ""


async def test_without_a_server_at_the_start_there_is_no_device(on_cable: Cable) -> None:
    on_cable.kill()
    with pytest.raises(NoSuchDevice, match=r"^audio\.output: there is no sound output device\. On Linux"):
        async with open_speaker(Audio(), Recorder()):
            pass
    assert await devices() == []


async def test_the_error_for_an_unknown_name_lists_the_devices(on_cable: Cable) -> None:
    with pytest.raises(NoSuchDevice) as caught:
        async with open_microphone(Audio(input="blue yeti"), Recorder()):
            pass
    message = (
        "audio.input: no device matches 'blue yeti'. 'voiceloop devices' lists: 0 'pulse', 1 'default', 'Monitor of "
    )
    assert str(caught.value).startswith(message)
