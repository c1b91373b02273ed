"""Microphones and loudspeakers under the sound server's own names, on a real sound server."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from testbed.patching import patched
from testbed.recorder import Recorder
from testbed.running import running, voiceloop
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable
from testbed.sound.comparing import Resampled
from testbed.sound.samples import noise
from tests.sound.test_capture import hear
from tests.sound.test_playback import heard_up_to
from tests.sound.words import DEVICES
from voiceloop.audio.sound_server import PATIENCE_S, ask
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.playback.output import open_speaker

pytestmark = pytest.mark.sound


def patient(cable: Cable, folder: Path) -> dict[str, str]:
    """The environment of a program that gives a busy machine's sound server more than 0.5 s to answer."""
    code = "from voiceloop.audio import sound_server\nsound_server.ask.__defaults__ = (60.0,)\n"
    return patched(cable.env, folder / "python", code)


def plug_in_the_yeti(cable: Cable) -> None:
    """Add a second microphone, which isn't the default. It hears what is played into `yeti_cable`."""
    cable.add_loudspeaker("yeti_cable", "Cable into the Yeti")
    cable.add_microphone("usb-yeti", "Blue Yeti", hears="yeti_cable")


@pytest.fixture
def second(on_cable: Cable) -> Cable:
    """The cable with a second microphone and a second loudspeaker."""
    plug_in_the_yeti(on_cable)
    on_cable.add_loudspeaker("usb-cans", "Yeti Headphones")
    on_cable.compare = Resampled()  # the Yeti's cable runs at the loudspeaker's rate
    return on_cable


async def test_a_microphone_and_a_loudspeaker_are_opened_by_name(second: Cable) -> None:
    events = Recorder()
    said, reply = noise(0.5, MIC_HZ), noise(0.5, SPEAKER_HZ)
    async with (
        open_microphone(Audio(input="blue yeti"), events) as microphone,
        open_speaker(Audio(output="headphones"), events) as speaker,
    ):
        assert microphone.description == "Blue Yeti through pulse, 16000 Hz"
        assert speaker.description == "Yeti Headphones through pulse, 24000 Hz"
        second.speak(said, into="yeti_cable")
        await hear(second, microphone, said)
        with second.listening("usb-cans.monitor") as listener:
            assert await speaker.write(reply, epoch=speaker.epoch)
            assert await speaker.drained(epoch=speaker.epoch)
            second.compare.gaps(reply, await heard_up_to(second, listener, reply))
    assert events.names == []
    assert not {"PULSE_SOURCE", "PULSE_SINK"} & os.environ.keys()


async def test_a_monitor_is_opened_by_its_name(second: Cable) -> None:
    played = noise(0.5, MIC_HZ)
    async with open_microphone(Audio(input="yeti_cable.monitor"), Recorder()) as microphone:
        second.speak(played, into="yeti_cable")
        await hear(second, microphone, played)


def test_a_lost_microphone_that_was_given_by_name_is_waited_for_and_not_replaced(second: Cable) -> None:
    """In a separate process, because PortAudio's thread of a stream whose server was killed may outlive the test."""
    with running(*DEVICES, "-i", "blue yeti", env=second.env) as loop:
        loop.wait_for("ready")
        second.kill()
        loop.wait_for("device.lost", which="microphone")
        second.start()  # with the first microphone alone
        if [event for event in loop.named("device.lost") if event.fields["which"] == "loudspeaker"]:
            loop.wait_for("device.back", which="loudspeaker")  # on a busy machine it was closed before, as it was idle
        plug_in_the_yeti(second)
        loop.wait_for("device.back", which="microphone")
        back = [event.fields["device"] for event in loop.named("device.back") if event.fields["which"] == "microphone"]
    assert back == ["Blue Yeti through pulse, 16000 Hz"]


def test_the_program_lists_the_devices_and_names_the_one_in_use(second: Cable, tmp_path: Path) -> None:
    env = patient(second, tmp_path)
    code, out, _ = voiceloop("devices", "--json", env=env)
    assert code == 0
    listed = {device["node"]: device for device in json.loads(out) if device["node"]}
    assert (listed["usb-yeti"]["name"], listed["usb-yeti"]["monitor"]) == ("Blue Yeti", False)
    assert listed["usb-cans.monitor"]["monitor"]
    assert [name for name, device in listed.items() if device["default_input"]] == ["mic"]
    assert [name for name, device in listed.items() if device["default_output"]] == ["speaker"]
    _, out, _ = voiceloop("devices", env=env)
    assert next(line for line in out.splitlines() if "Blue Yeti" in line).split()[-1] == "pulse"
    with running(*DEVICES, "-i", "blue yeti", env=env) as loop:
        listening = loop.wait_for("listening")
    assert listening.fields["microphone"] == "Blue Yeti through pulse, 16000 Hz"


def test_asking_a_server_that_hangs_ends_at_the_timeout(second: Cable) -> None:
    second.stop()
    began = time.monotonic()
    assert ask().silence.endswith("it has not answered for 500 ms")
    assert time.monotonic() - began < PATIENCE_S + 20  # else it would be for ever


def test_a_server_that_hung_answers_when_it_runs_again(second: Cable) -> None:
    second.stop()
    assert ask().nodes == ()
    second.resume()
    assert ask(60).named("usb-yeti") is not None


def test_the_devices_are_listed_in_time_when_there_is_no_server(cable: Cable) -> None:
    cable.kill()
    began = time.monotonic()
    code, out, err = voiceloop("devices", env=cable.env)
    assert time.monotonic() - began < 40
    assert "Traceback" not in out + err
    assert (code == 0) or "the sound server has not answered for 5 s" in err


@pytest.mark.parametrize(
    "name", ["Stéréo Kopfhörer 内置", "内置", "[USB] Mic", "50 % = loud; or #1", "default, but another"]
)
def test_a_microphone_of_any_name_is_listed_chosen_and_named(cable: Cable, name: str, tmp_path: Path) -> None:
    cable.add_microphone("odd", name)
    env = patient(cable, tmp_path)
    _, out, _ = voiceloop("devices", "--json", env=env)
    assert [device["name"] for device in json.loads(out) if device["node"] == "odd"] == [name]
    with running(*DEVICES, "-i", name, env=env) as loop:
        assert loop.wait_for("listening").fields["microphone"].startswith(f"{name} through pulse, ")


def test_two_microphones_of_one_name_are_told_apart(cable: Cable, tmp_path: Path) -> None:
    env = patient(cable, tmp_path)
    for number in (1, 2):
        cable.add_microphone(f"usb-{number}", "[USB] Mic")
    code, _, err = voiceloop("run", "--config", "offline", "-i", "[usb] mic", env=env)
    assert code == 74
    assert "audio.input: 2 devices are named '[USB] Mic'. Give the name that the sound server has for it: " in err
    assert err.endswith("'usb-1' or 'usb-2'\n")
    _, out, _ = voiceloop("devices", env=env)
    assert [line.split()[-1] for line in out.splitlines() if "[USB] Mic" in line] == ["(usb-1)", "(usb-2)"]
    with running(*DEVICES, "-i", "usb-2", env=env) as loop:
        assert loop.wait_for("listening").fields["microphone"].startswith("[USB] Mic through pulse, ")


def test_the_monitor_says_which_loudspeaker_it_hears(second: Cable, tmp_path: Path) -> None:
    second.pactl("set-default-sink", "usb-cans")
    with running(*DEVICES, "-i", "monitor", env=patient(second, tmp_path)) as loop:
        heard = loop.wait_for("ready").fields["heard"]
    assert heard == '"Monitor of Yeti Headphones through pulse"'
