"""Devices that are lost during use and come back, and a sound server that hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import trio

from testbed.queued import queued_s
from testbed.recorder import Recorder
from testbed.sound.cable import MIC_HZ, PATIENCE_S, SPEAKER_HZ, Cable, PipeWire, PulseAudio
from testbed.sound.samples import noise
from tests.sound.servers import KINDS, NAMES, pipewire_only, pulseaudio_only
from tests.sound.test_capture import hear
from tests.sound.test_playback import heard_up_to
from voiceloop.audio.streams import devices
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.errors import DeviceError, NoSuchDevice
from voiceloop.playback import output
from voiceloop.playback.output import open_speaker
from voiceloop.types import Frame, Gap

pytestmark = pytest.mark.sound

NOTICED_S = 1.0
"""Without the time in which a busy machine has no processor for the program."""

Change = Callable[[Cable], None]


async def next_gap(microphone: Microphone) -> Gap:
    async for item in microphone.frames:
        if isinstance(item, Gap):
            return item
    raise AssertionError("the microphone ended")


def suspend(cable: Cable) -> None:
    cable.pactl("suspend-source", "mic", "1")


def wake(cable: Cable) -> None:
    cable.pactl("suspend-source", "mic", "0")


def unplug(cable: Cable) -> None:
    """Unplug all devices: while another source exists, the server just moves the stream there."""
    cable.unplug()


def unplug_microphone(cable: Cable) -> None:
    cable.unplug("mic", "mic_cable")


def keep(_: Cable) -> None:
    """For a loss that ends by itself."""


def on(kind: type[PulseAudio] | type[PipeWire], name: str, lose: Change, restore: Change) -> object:
    return pytest.param(kind, lose, restore, id=f"{kind.name.lower()}-{name}")


LOSSES = [
    on(kind, *loss)
    for kind in KINDS
    for loss in (
        ("killed", Cable.kill, Cable.start),
        ("stopped", Cable.stop, Cable.resume),
        ("restarted", Cable.restart, keep),
    )
]
# PipeWire suspends no device that is in use.
SUSPENDED = on(PulseAudio, "suspended", suspend, wake)
UNPLUGGED = on(PulseAudio, "unplugged", unplug, Cable.plug)
LOST_MICROPHONES = [*LOSSES, SUSPENDED, UNPLUGGED, on(PipeWire, "unplugged", unplug, Cable.plug)]
# When PipeWire's loudspeakers are unplugged it gives the stream a dummy: the device isn't lost.
LOST_LOUDSPEAKERS = [*LOSSES, SUSPENDED, UNPLUGGED]


@pytest.mark.parametrize(("cable", "lose", "restore"), LOST_MICROPHONES, indirect=["cable"])
async def test_a_lost_microphone_is_noticed_and_comes_back(on_cable: Cable, lose: Change, restore: Change) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events) as microphone:
        before = await microphone.frames.receive()
        assert isinstance(before, Frame)
        await trio.to_thread.run_sync(lose, on_cable)
        gone, queued = trio.current_time(), queued_s()
        lost = await events.wait_for("device.lost", within_s=PATIENCE_S, which="microphone")
        assert lost.at - gone - (queued_s() - queued) < NOTICED_S
        gap = await next_gap(microphone)
        await trio.to_thread.run_sync(restore, on_cable)
        await events.wait_for("device.back", within_s=PATIENCE_S, which="microphone")
        after = await microphone.frames.receive()
        assert isinstance(after, Frame)
        assert after.index == gap.index
        said = noise(0.5, MIC_HZ)
        on_cable.speak(said)
        await hear(on_cable, microphone, said)
    assert events.names == ["device.lost", "device.back"]


@pytest.mark.parametrize(("cable", "lose", "restore"), LOST_LOUDSPEAKERS, indirect=["cable"])
async def test_a_lost_loudspeaker_is_noticed_and_the_reply_goes_on(
    on_cable: Cable, lose: Change, restore: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "AWAY_S", PATIENCE_S)  # a busy machine takes longer than 3 s to restore a server
    if lose is suspend:
        lose, restore = suspend_sink, wake_sink
    events = Recorder()
    reply = noise(4.0, SPEAKER_HZ)  # longer than a busy machine takes to end a server
    async with open_speaker(Audio(), events) as speaker:
        assert await speaker.write(reply, epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        while speaker.played < SPEAKER_HZ // 2:
            await speaker.changed()
        await trio.to_thread.run_sync(lose, on_cable)
        gone, queued = trio.current_time(), queued_s()
        lost = await events.wait_for("device.lost", within_s=PATIENCE_S, which="loudspeaker")
        assert lost.at - gone - (queued_s() - queued) < NOTICED_S
        held = speaker.played
        assert held < len(reply) // 2
        await trio.to_thread.run_sync(restore, on_cable)
        await events.wait_for("device.back", within_s=PATIENCE_S, which="loudspeaker")
        with trio.fail_after(PATIENCE_S):
            assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.played_in(0, len(reply) // 2) == len(reply) // 2
    assert events.names == ["device.lost", "device.back"]


def suspend_sink(cable: Cable) -> None:
    cable.pactl("suspend-sink", "speaker", "1")


def wake_sink(cable: Cable) -> None:
    cable.pactl("suspend-sink", "speaker", "0")


@pipewire_only
async def test_a_loudspeaker_that_is_unplugged_and_plugged_in_again_is_heard_again(on_cable: Cable) -> None:
    """Meanwhile the server plays into a dummy."""
    events = Recorder()
    unheard, heard = noise(1.0, SPEAKER_HZ), noise(0.5, SPEAKER_HZ, seed=2)
    async with open_speaker(Audio(), events) as speaker:
        assert await speaker.write(unheard, epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        while speaker.played < SPEAKER_HZ // 2:
            await speaker.changed()
        await trio.to_thread.run_sync(on_cable.unplug, "speaker")
        with trio.fail_after(PATIENCE_S):
            assert await speaker.drained(epoch=speaker.epoch)
        await trio.to_thread.run_sync(on_cable.plug)
        with on_cable.listening() as listener:
            assert await speaker.write(heard, epoch=speaker.epoch)
            assert await speaker.drained(epoch=speaker.epoch)
            on_cable.compare.gaps(heard, await heard_up_to(on_cable, listener, heard))
    assert events.names == []


async def test_no_writer_waits_for_a_loudspeaker_that_stays_lost(on_cable: Cable) -> None:
    events = Recorder()
    async with open_speaker(Audio(buffer_s=1), events) as speaker:
        epoch = speaker.epoch
        await trio.to_thread.run_sync(on_cable.kill)
        await events.wait_for("device.lost", within_s=PATIENCE_S)  # the first block has 2 s
        with trio.fail_after(PATIENCE_S):
            assert not await speaker.write(noise(3.0, SPEAKER_HZ), epoch=epoch)
            assert not await speaker.write(noise(0.1, SPEAKER_HZ), epoch=speaker.epoch)
            assert not await speaker.drained(epoch=speaker.epoch)
        assert "discarded" in str((await events.wait_for("notice", within_s=PATIENCE_S)).fields["text"])
        await trio.to_thread.run_sync(on_cable.start)
        await events.wait_for("device.back", within_s=PATIENCE_S)
        with trio.fail_after(PATIENCE_S):
            assert await speaker.write(noise(0.5, SPEAKER_HZ), epoch=speaker.epoch)
            assert await speaker.drained(epoch=speaker.epoch)


@pytest.mark.parametrize(
    ("cable", "lose"), [(PulseAudio, suspend), (PipeWire, unplug_microphone)], indirect=["cable"], ids=NAMES
)
async def test_the_loudspeaker_goes_on_while_the_microphone_is_gone(on_cable: Cable, lose: Change) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events), open_speaker(Audio(), events) as speaker:
        with on_cable.listening() as listener:
            reply = noise(2.0, SPEAKER_HZ)
            assert await speaker.write(reply, epoch=speaker.epoch)
            await trio.to_thread.run_sync(lose, on_cable)
            await events.wait_for("device.lost", within_s=PATIENCE_S, which="microphone")
            assert await speaker.drained(epoch=speaker.epoch)
            assert speaker.ring.underruns == 0
            on_cable.compare.gaps(reply, await heard_up_to(on_cable, listener, reply))


@pytest.mark.parametrize("then_killed", [False, True])
async def test_closing_takes_less_than_a_second_while_the_server_hangs(on_cable: Cable, then_killed: bool) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events), open_speaker(Audio(), events) as speaker:
        await speaker.write(noise(1.0, SPEAKER_HZ), epoch=speaker.epoch)
        await trio.to_thread.run_sync(on_cable.stop)
        if then_killed:
            await events.wait_for(
                "device.lost", within_s=PATIENCE_S, which="microphone"
            )  # perhaps before its first block
        began, queued = time.monotonic(), queued_s()
    assert time.monotonic() - began - (queued_s() - queued) < 1.0


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
        timeout=60,
    )
    assert done.returncode == 74
    assert done.stderr.startswith("voiceloop: audio: the sound server has not answered for 5 s. Restart it")
    assert done.stderr.count("\n") == 1


def test_the_program_lists_the_devices(cable: Cable) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "voiceloop", "devices"], env=cable.env, capture_output=True, text=True, check=True
    )
    names = ["pulse", "default"] if cable.server.name == PulseAudio.name else ["pipewire", "pulse", "default"]
    assert [line.split()[1] for line in done.stdout.splitlines()[1 : len(names) + 1]] == names
    assert done.stderr == ""


async def test_without_a_server_at_the_start_there_is_no_device(on_cable: Cable) -> None:
    on_cable.kill()
    with pytest.raises(NoSuchDevice, match=r"^audio\.output: there is no sound output device\. On Linux"):
        async with open_speaker(Audio(), Recorder()):
            pass
    assert await devices() == []


@pulseaudio_only
async def test_the_error_for_an_unknown_name_lists_the_devices(on_cable: Cable) -> None:
    with pytest.raises(NoSuchDevice) as caught:
        async with open_microphone(Audio(input="blue yeti"), Recorder()):
            pass
    message = (
        "audio.input: no device matches 'blue yeti'. 'voiceloop devices' lists: 0 'pulse', 1 'default', 'Monitor of "
    )
    assert str(caught.value).startswith(message)
