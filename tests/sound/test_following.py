"""The monitor follows the default loudspeaker, on a real sound server."""

from __future__ import annotations

import os
import threading

import pytest
import trio

from testbed.recorder import Recorder
from testbed.running import running
from testbed.sound.cable import MIC_HZ, Cable
from testbed.sound.samples import noise
from tests.sound.servers import pipewire_only
from voiceloop.audio import pulse
from voiceloop.audio.following import follow_server
from voiceloop.audio.pcm import peak
from voiceloop.audio.pulse import connected
from voiceloop.audio.sound_server import PATIENCE_S, Answer, read
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.types import Frame, Gap

pytestmark = pytest.mark.sound

FOLLOWED_S = 30.0
PLAYS_BY = "audio.input: the default loudspeaker is now '{}': listening to what it plays."
SHOWN = {"speaker": "Cable Loudspeaker", "headset": "Ear Muffs"}
"""The names that desktops show."""


@pytest.fixture
def headset(on_cable: Cable) -> Cable:
    """The cable with a second loudspeaker, which isn't the default."""
    on_cable.add_loudspeaker("headset", SHOWN["headset"])
    return on_cable


async def hear(cable: Cable, microphone: Microphone, sink: str) -> None:
    """Play into `sink` until the microphone has heard the sound and the silence after it; no sample may be missing."""
    cable.speak(noise(0.5, MIC_HZ), into=sink)
    sounded, index = False, None
    with trio.fail_after(60):
        while True:
            item = await microphone.frames.receive()
            if isinstance(item, Frame):
                assert index in {None, item.index}
                index = item.end
                if sounded and peak(item.pcm) < 0.001:  # the sound is over: the next sound heard is another one
                    return
                sounded = sounded or peak(item.pcm) > 0.1


async def followed(events: Recorder, sink: str) -> None:
    await events.wait_for("notice", within_s=FOLLOWED_S, text=PLAYS_BY.format(SHOWN[sink]))


async def test_another_default_loudspeaker_is_heard_at_once(headset: Cable) -> None:
    events = Recorder()
    async with open_microphone(Audio(input="monitor"), events) as microphone:
        await hear(headset, microphone, "speaker")
        headset.pactl("set-default-sink", "headset")
        await followed(events, "headset")
        await hear(headset, microphone, "headset")
        headset.pactl("set-default-sink", "speaker")
        await followed(events, "speaker")
        await hear(headset, microphone, "speaker")
    assert set(events.names) == {"notice"}


async def test_when_the_default_loudspeaker_is_unplugged_the_next_one_is_heard(headset: Cable) -> None:
    headset.unplug("mic_cable")  # so that only one is left
    headset.pactl("set-default-sink", "headset")
    events = Recorder()
    async with open_microphone(Audio(input="monitor"), events) as microphone:
        await hear(headset, microphone, "headset")
        headset.unplug("headset")
        await followed(events, "speaker")
        await hear(headset, microphone, "speaker")


async def test_a_monitor_given_by_name_is_kept(headset: Cable) -> None:
    events = Recorder()
    async with open_microphone(Audio(input="speaker.monitor"), events) as microphone:
        await hear(headset, microphone, "speaker")
        names: list[str] = []

        def tell(answer: Answer) -> None:
            names.extend([answer.default_monitor.name] if answer.default_monitor is not None else [])

        async with trio.open_nursery() as nursery:  # by then a microphone that followed would know of the change, too
            nursery.start_soon(follow_server, tell)
            headset.pactl("set-default-sink", "headset")
            while names[-1:] != ["headset.monitor"]:
                await microphone.frames.receive()
            nursery.cancel_scope.cancel()
        await hear(headset, microphone, "speaker")
    assert events.names == []


@pipewire_only
async def test_the_loudspeaker_that_a_server_makes_up_while_there_is_none_is_not_announced(headset: Cable) -> None:
    headset.unplug("headset", "mic_cable")
    events = Recorder()
    async with open_microphone(Audio(input="monitor"), events) as microphone:
        await hear(headset, microphone, "speaker")
        headset.unplug("speaker")
        with trio.fail_after(60):
            while not isinstance(await microphone.frames.receive(), Gap):
                pass
            assert isinstance(await microphone.frames.receive(), Frame)  # from the one that is made up
        headset.plug()
        await hear(headset, microphone, "speaker")
    assert events.names == []


def test_a_change_while_the_server_is_being_read_is_not_missed(
    on_cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "_AGAIN_S", 300)  # only an event ends the wait
    stop, end = os.pipe()
    in_vain = threading.Timer(60, os.close, (end,))
    with connected(PATIENCE_S, stop=stop) as connection:
        with connection.limit(PATIENCE_S):
            connection.subscribe()
        on_cable.pactl("set-source-mute", "mic", "1")
        in_vain.start()
        # PipeWire may answer before it has done so: then it tells of the change later.
        muted = False
        while not (muted or connection.stopped):
            with connection.limit(PATIENCE_S) as server:
                microphone = read(server).named("mic")
            muted = microphone is not None and microphone.muted
            connection.wait()
        in_vain.cancel()
    assert muted
    assert not connection.stopped
    os.close(stop)
    os.close(end)


async def test_a_change_is_told_though_its_event_is_lost(on_cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_AGAIN_S", 0.1)
    monkeypatch.setattr(pulse.Connection, "_note", lambda *_: None)
    muted = trio.Event()

    def tell(answer: Answer) -> None:
        if (microphone := answer.named("mic")) is not None and microphone.muted:
            muted.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_server, tell)
        on_cable.pactl("set-source-mute", "mic", "1")
        with trio.fail_after(60):
            await muted.wait()
        nursery.cancel_scope.cancel()


def test_the_default_loudspeaker_is_followed_after_a_restart_of_the_server_too(headset: Cable) -> None:
    """In a separate process, because PortAudio's thread of a stream whose server was killed may outlive the test."""
    with running("--config", "offline", "--source", "speaker", env=headset.env, command="captions") as captions:
        captions.wait_for("ready")
        headset.kill()
        captions.wait_for("device.lost")
        headset.start()
        headset.add_loudspeaker("headset", SHOWN["headset"])
        captions.wait_for("device.back")
        headset.pactl("set-default-sink", "headset")
        captions.wait_for("notice", text=PLAYS_BY.format(SHOWN["headset"]))
