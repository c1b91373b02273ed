"""Devices under the sound server's own names: how one is chosen and opened, and how `pactl` lists them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from testbed.fake_portaudio import FakePortAudio
from voiceloop.audio.devices import Device, Direction, Node, choose, environment, with_nodes
from voiceloop.audio.portaudio import Host, Request
from voiceloop.audio.sound_server import PATIENCE_S, Answer, ask, ask_all, from_json, from_table
from voiceloop.cli.devices import table
from voiceloop.errors import NoSuchDevice

YETI, WEBCAM = "alsa_input.usb-Blue_Yeti-00.analog-stereo", "alsa_input.usb-C920-02.analog-mono"
HEADPHONES = "bluez_output.00_11_22.1"
NODES = [
    Node("input", f"{HEADPHONES}.monitor", "Monitor of Yeti Cans", 2, 48_000, monitor=True),
    Node("input", WEBCAM, "HD Pro Webcam C920", 1, 32_000, default=True),
    Node("input", YETI, "Blue Yeti Analog Stereo", 2, 48_000),
    Node("output", HEADPHONES, "Yeti Cans", 2, 48_000),
]
PORTAUDIO = [
    Device(0, "Yeti Stereo Microphone: USB Audio (hw:2,0)", 2, 0, 44_100, "ALSA"),
    Device(1, "HDA Intel: ALC257 (hw:0,0)", 2, 2, 48_000, "ALSA"),
    Device(2, "pulse", 32, 32, 44_100, "ALSA"),
    Device(3, "default", 32, 32, 44_100, "ALSA", default_input=True, default_output=True),
]
DEVICES = with_nodes(PORTAUDIO, NODES)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("blue yeti", "Blue Yeti Analog Stereo"),
        ("yeti", "Blue Yeti Analog Stereo"),  # neither ALSA's device, which the server holds, nor the monitor
        ("Monitor of Yeti", "Monitor of Yeti Cans"),
        (YETI, "Blue Yeti Analog Stereo"),
        ("usb-c920", "HD Pro Webcam C920"),
        ("intel", "HDA Intel: ALC257 (hw:0,0)"),
        ("HW:2,0", "Yeti Stereo Microphone: USB Audio (hw:2,0)"),
        ("0", "Yeti Stereo Microphone: USB Audio (hw:2,0)"),
        ("2", "pulse"),
        ("pulse", "pulse"),
        ("monitor", "pulse"),
        ("default", "default"),
    ],
)
def test_a_microphone_is_found_by_its_familiar_name(wanted: str, name: str) -> None:
    assert choose(DEVICES, wanted, "input").name == name


def test_a_loudspeaker_is_found_by_its_familiar_name() -> None:
    assert choose(DEVICES, "yeti", "output").node == HEADPHONES
    with pytest.raises(NoSuchDevice):
        choose(DEVICES, "webcam", "output")


def test_a_device_of_the_sound_server_is_opened_through_the_alsa_plug_in_for_pulse() -> None:
    yeti = choose(DEVICES, "yeti", "input")
    assert (yeti.index, yeti.label, yeti.rate_hz) == (2, "Blue Yeti Analog Stereo through pulse", 48_000)
    assert environment(yeti, "yeti", "input") == {"PULSE_SOURCE": YETI}
    assert environment(choose(DEVICES, "yeti", "output"), "yeti", "output") == {"PULSE_SINK": HEADPHONES}


def test_with_only_the_alsa_plug_in_for_pipewire_the_device_is_named_to_that() -> None:
    devices = with_nodes([Device(7, "pipewire", 64, 64, 44_100, "ALSA")], NODES)
    webcam, monitor = choose(devices, "c920", "input"), choose(devices, "monitor of", "input")
    assert (webcam.index, webcam.label) == (7, "HD Pro Webcam C920 through pipewire")
    assert {name: json.loads(value) for name, value in environment(webcam, "c920", "input").items()} == {
        "PIPEWIRE_ALSA": {"target.object": WEBCAM}
    }
    assert json.loads(environment(monitor, "monitor of", "input")["PIPEWIRE_ALSA"]) == {
        "target.object": HEADPHONES,
        "stream.capture.sink": True,
    }


def test_without_an_alsa_plug_in_the_servers_devices_are_left_out() -> None:
    assert with_nodes(PORTAUDIO[:2], NODES) == PORTAUDIO[:2]


def test_an_unknown_name_lists_the_devices_and_says_why_some_may_be_missing() -> None:
    with pytest.raises(NoSuchDevice) as caught:
        choose(with_nodes(PORTAUDIO[2:], NODES[1:3]), "røde", "input")
    assert str(caught.value) == (
        "audio.input: no device matches 'røde'. 'voiceloop devices' lists: 2 'pulse', 3 'default', "
        "'HD Pro Webcam C920', 'Blue Yeti Analog Stereo'"
    )
    with pytest.raises(NoSuchDevice, match=r"3 'default'\. The server hangs$"):
        choose(PORTAUDIO[2:], "røde", "input", hint="The server hangs")


def test_the_table_names_the_plug_in_and_marks_monitors() -> None:
    lines = table(with_nodes(PORTAUDIO[2:], NODES))
    assert [line[:3] for line in lines] == ["  #", "  2", "  3", "   ", "   ", "   ", "   "]
    assert lines[3].endswith("48000 Hz  pulse  (monitor)")
    assert lines[4].endswith("32000 Hz  pulse  (default input)")
    assert lines[6].split() == ["Yeti", "Cans", "0", "2", "48000", "Hz", "pulse"]


def test_the_devices_name_is_in_the_environment_only_while_the_device_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PULSE_SOURCE", "their own")
    library = FakePortAudio()
    stream = Host(lambda: library, lambda which: Answer(tuple(NODES))).open(
        Request("input", "yeti", 16_000, "low"), lambda *_: None, lambda: None
    )
    assert stream.device.node == YETI
    assert library.environment == {"PULSE_SOURCE": YETI}
    assert os.environ["PULSE_SOURCE"] == "their own"


@pytest.mark.parametrize(("wanted", "asked"), [("default", 0), ("monitor", 0), ("pulse", 0), ("0", 0), ("yeti", 1)])
def test_the_server_is_asked_only_when_a_device_is_given_by_name(wanted: str, asked: int) -> None:
    questions: list[str] = []

    def server(which: Direction) -> Answer:
        questions.append(which)
        return Answer(tuple(NODES))

    host = Host(FakePortAudio, server)
    host.open(Request("input", wanted, 16_000, "low"), lambda *_: None, lambda: None)
    assert questions == ["input"] * asked


ENTRY = {"name": YETI, "description": "Blue Yeti", "sample_specification": "s24le 2ch 48000Hz", "properties": {}}


def test_the_lists_of_pactl_are_parsed() -> None:
    monitor = {**ENTRY, "name": "odd", "description": "Monitor", "properties": {"device.class": "monitor"}}
    assert from_json(json.dumps([ENTRY, monitor]), "input") == [
        Node("input", YETI, "Blue Yeti", 2, 48_000),
        Node("input", "odd", "Monitor", 2, 48_000, monitor=True),
    ]
    short = f"0\t{HEADPHONES}.monitor\tmodule\ts16le 2ch 44100Hz\tIDLE\n1\t{YETI}\tmodule\ts24le 1ch 48000Hz\tRUNNING\n"
    assert from_table(short, "input") == [
        Node("input", f"{HEADPHONES}.monitor", f"{HEADPHONES}.monitor", 2, 44_100, monitor=True),
        Node("input", YETI, YETI, 1, 48_000),
    ]


@pytest.mark.parametrize("text", ["", "{", "{}", "no such option", '[{"balance": 0,00}]'])
def test_a_malformed_list_is_none(text: str) -> None:
    assert from_json(text, "input") is None


@pytest.mark.parametrize("change", [{"name": None}, {"name": "a\0b"}, {"name": ""}, {"sample_specification": None}])
def test_a_malformed_entry_is_left_out(change: dict[str, object]) -> None:
    assert from_json(json.dumps([1, ENTRY | change, ENTRY]), "input") == [Node("input", YETI, "Blue Yeti", 2, 48_000)]
    assert from_table("what is this?\n1\t2\t3\t4\n", "input") == []


@pytest.fixture
def pactl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable `pactl` that is first in PATH; the test writes its script."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "pactl"
    path.touch(mode=0o755)
    return path


def test_an_older_pactl_is_asked_for_its_short_list(pactl: Path) -> None:
    pactl.write_text(
        '#!/bin/sh\n[ "$1" = list ] || exit 1\n'
        f"[ $3 = sinks ] || exec printf '1\\t{YETI}\\tm\\ts16le 1ch 48000Hz\\tIDLE\\n'\n"
    )
    assert ask("input") == Answer((Node("input", YETI, YETI, 1, 48_000),))
    assert ask("output") == Answer()


def test_the_servers_defaults_are_marked(pactl: Path) -> None:
    pactl.write_text(
        "#!/bin/sh\n"
        f"[ $1 = info ] && exec printf 'Default Sink: {YETI}\\nDefault Source: {YETI}\\n'\n"
        f"[ $3 = sources ] && exec echo '{json.dumps([ENTRY, ENTRY | {'name': 'other'}])}'\necho '[]'\n"
    )
    assert [(node.name, node.default) for node in ask_all()] == [(YETI, True), ("other", False)]


def test_a_server_that_hangs_is_given_up_after_the_timeout(pactl: Path) -> None:
    pactl.write_text("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    answer = ask("input")
    assert PATIENCE_S <= time.monotonic() - began < PATIENCE_S + 0.5
    assert answer == Answer(silence="The sound server's device names are unknown: it has not answered for 500 ms")


def test_no_server_and_no_pactl_have_different_messages(pactl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pactl.write_text("#!/bin/sh\nexit 1\n")
    assert ask("input").silence.endswith("'pactl' found no server")
    pactl.chmod(0o644)
    monkeypatch.setenv("PATH", str(pactl.parent))
    assert ask("input").silence.endswith("'pactl' can't be run: Permission denied")
    pactl.unlink()
    assert ask("output").silence.endswith("'pactl' is not installed (Debian: pulseaudio-utils)")
    assert ask_all() == ()
