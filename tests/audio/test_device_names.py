"""Devices under the sound server's own names: how one is chosen, shown and opened."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from testbed.fake_portaudio import FakePortAudio
from voiceloop.audio.devices import Device, Node, choose, environment, tagging, with_nodes
from voiceloop.audio.portaudio import Host
from voiceloop.audio.raw_streams import Request
from voiceloop.audio.sound_server import Answer
from voiceloop.cli.devices import table
from voiceloop.errors import NoSuchDevice

YETI, WEBCAM = "alsa_input.usb-Blue_Yeti-00.analog-stereo", "alsa_input.usb-C920-02.analog-mono"
HEADPHONES = "bluez_output.00_11_22.1"
NODES = [
    Node("input", f"{HEADPHONES}.monitor", "Monitor of Yeti Cans", 2, 48_000, monitor=True, monitor_of=HEADPHONES),
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
    stream = Host(lambda: library, lambda: Answer(tuple(NODES))).open(
        Request("input", "yeti", 16_000, "low"), lambda *_: None, lambda: None
    )
    assert stream.device.node == YETI
    assert library.environment == {"PULSE_SOURCE": YETI}
    assert os.environ["PULSE_SOURCE"] == "their own"


@pytest.mark.parametrize(
    ("wanted", "asked"), [("default", 1), ("pulse", 0), ("0", 0), ("monitor", 1), ("yeti", 1), ("[USB] Mic", 1)]
)
def test_the_server_is_asked_for_its_own_devices_and_whether_it_is_there(wanted: str, asked: int) -> None:
    questions: list[str] = []

    def server() -> Answer:
        questions.append(wanted)
        return Answer((Node("input", "usb", "[USB] Mic", 1, 48_000), *NODES))

    Host(FakePortAudio, server).open(Request("input", wanted, 16_000, "low"), lambda *_: None, lambda: None)
    assert len(questions) == asked


def test_the_monitor_is_that_of_the_default_loudspeaker_under_its_own_name() -> None:
    """PipeWire doesn't follow a change of the default under the general name; and people see which one is heard."""
    library = FakePortAudio()
    default = replace(NODES[3], default=True)
    host = Host(lambda: library, lambda: Answer((*NODES[:3], default)))
    stream = host.open(Request("input", "monitor", 16_000, "low"), lambda *_: None, lambda: None)
    assert (stream.device.label, stream.monitor) == ("Monitor of Yeti Cans through pulse", f"{HEADPHONES}.monitor")
    assert library.environment["PULSE_SOURCE"] == f"{HEADPHONES}.monitor"


def test_a_server_that_names_no_default_is_asked_for_its_monitor_by_the_general_name() -> None:
    library = FakePortAudio()
    host = Host(lambda: library, lambda: Answer(silence="The server hangs"))
    stream = host.open(Request("input", "monitor", 16_000, "low"), lambda *_: None, lambda: None)
    assert (stream.device.label, stream.monitor) == ("pulse", "")
    assert library.environment["PULSE_SOURCE"] == "@DEFAULT_MONITOR@"


@pytest.mark.parametrize(
    "wanted", ["Stéréo Kopfhörer 内置", "stéréo", "KOPFHÖRER", "内置", "Ste\u0301re\u0301o Kopfho\u0308rer"]
)
def test_a_name_outside_ascii_is_found_however_its_accents_are_typed(wanted: str) -> None:
    devices = with_nodes(PORTAUDIO, [*NODES, Node("input", "alsa.1", "Stéréo Kopfhörer 内置", 1, 48_000)])
    assert choose(devices, wanted, "input").node == "alsa.1"


TWINS = [Node("input", f"alsa_input.usb-{n}", "USB Mic", 1, 48_000) for n in (1, 2)]


@pytest.mark.parametrize("wanted", ["USB Mic", "usb mic", "b mi"])
def test_of_two_devices_with_one_name_none_is_taken_silently(wanted: str) -> None:
    devices = with_nodes(PORTAUDIO, TWINS)
    with pytest.raises(NoSuchDevice) as caught:
        choose(devices, wanted, "input")
    assert str(caught.value) == (
        "audio.input: 2 devices are named 'USB Mic'. Give the name that the sound server has for it: "
        "'alsa_input.usb-1' or 'alsa_input.usb-2'"
    )
    assert choose(devices, "alsa_input.usb-2", "input").node == "alsa_input.usb-2"
    assert choose(devices, "usb-2", "input").node == "alsa_input.usb-2"


def test_a_microphone_and_a_loudspeaker_may_have_one_name() -> None:
    headset = [Node("input", "in", "Headset", 1, 16_000), Node("output", "out", "Headset", 1, 16_000)]
    devices = with_nodes(PORTAUDIO, headset)
    assert (choose(devices, "headset", "input").node, choose(devices, "headset", "output").node) == ("in", "out")
    assert not any("(in" in line or "(out" in line for line in table(devices))


def test_the_lists_tell_devices_of_one_name_apart() -> None:
    devices = with_nodes(PORTAUDIO[2:], [*TWINS, replace(NODES[2], muted=True)])
    marks = [line.partition("pulse  ")[2] for line in table(devices)[3:]]
    assert marks == ["(alsa_input.usb-1)", "(alsa_input.usb-2)", "(muted)"]
    with pytest.raises(NoSuchDevice, match=r"'USB Mic' \(alsa_input\.usb-1\), 'USB Mic' \(alsa_input\.usb-2\), 'Blue"):
        choose(devices, "røde", "input")


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({}, ("voiceloop.stream=7", {"voiceloop.stream": "7"})),
        (
            {"PULSE_PROP": "media.role=phone", "PIPEWIRE_ALSA": '{ "target.object": "x", }'},
            ("media.role=phone voiceloop.stream=7", {"target.object": "x", "voiceloop.stream": "7"}),
        ),
    ],
)
def test_a_stream_is_tagged_beside_what_is_set_already(present: dict[str, str], expected: tuple[str, object]) -> None:
    variables = tagging("7", "input", present)
    assert (variables["PULSE_PROP"], json.loads(variables["PIPEWIRE_ALSA"])) == expected
    assert tagging("7", "output", present) == {}
