"""The choice of a device, and the errors that PortAudio's failures become. PortAudio itself is a fake here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from testbed.fake_portaudio import FakePortAudio, FakeStream, Refused
from voiceloop.audio import portaudio, streams
from voiceloop.audio.devices import Device, Node, choose, environment
from voiceloop.audio.portaudio import Host
from voiceloop.audio.raw_streams import Request
from voiceloop.audio.sound_server import Answer
from voiceloop.cli.devices import table
from voiceloop.errors import DeviceBusy, DeviceError, NoSuchDevice

DEVICES = [
    Device(0, "HDA Intel: ALC257 (hw:0,0)", 2, 2, 48_000, "ALSA"),
    Device(1, "HDMI", 0, 8, 44_100, "ALSA", default_output=True),
    Device(3, "Yeti Stereo Microphone", 2, 0, 48_000, "ALSA"),
    Device(4, "yeti", 1, 0, 16_000, "ALSA", default_input=True),
    Device(5, "pulse", 32, 32, 44_100, "ALSA"),
]


@pytest.mark.parametrize(
    ("wanted", "index"), [("default", 4), ("yeti", 4), ("YETI ST", 3), ("3", 3), ("intel", 0), ("monitor", 5)]
)
def test_a_microphone_is_found(wanted: str, index: int) -> None:
    assert choose(DEVICES, wanted, "input").index == index


def test_only_a_device_with_outputs_is_a_loudspeaker() -> None:
    assert choose(DEVICES, "default", "output").index == 1
    with pytest.raises(NoSuchDevice):
        choose(DEVICES, "yeti", "output")
    with pytest.raises(NoSuchDevice):
        choose(DEVICES, "3", "output")
    with pytest.raises(NoSuchDevice):
        choose(DEVICES, "monitor", "output")


def test_without_a_default_the_first_device_is_taken() -> None:
    assert choose(DEVICES[:1], "default", "input").index == 0


def test_an_unknown_name_lists_the_devices() -> None:
    with pytest.raises(NoSuchDevice) as caught:
        choose(DEVICES[:3], "blue yeti", "input")
    assert str(caught.value) == (
        "audio.input: no device matches 'blue yeti'. "
        "'voiceloop devices' lists: 0 'HDA Intel: ALC257 (hw:0,0)', 3 'Yeti Stereo Microphone'"
    )
    assert caught.value.exit_code == 74


def test_without_any_device_the_error_says_what_is_needed() -> None:
    with pytest.raises(NoSuchDevice, match=r"^audio\.input: there is no sound input device\. On Linux .*'none'"):
        choose([DEVICES[1]], "default", "input")


def test_monitor_means_the_sound_servers_monitor_or_a_device_of_that_name() -> None:
    assert environment(DEVICES[4], "monitor", "input") == {"PULSE_SOURCE": "@DEFAULT_MONITOR@"}
    named = Device(7, "Monitor of Built-in", 2, 0, 44_100, "PulseAudio")
    assert choose([DEVICES[0], named], "monitor", "input") is named
    assert environment(named, "monitor", "input") == {}
    assert environment(DEVICES[4], "default", "input") == {}
    with pytest.raises(NoSuchDevice, match="no device records what the computer plays"):
        choose(DEVICES[:4], "monitor", "input")


def test_the_table_shows_every_device() -> None:
    lines = table(DEVICES)
    assert len(lines) == len(DEVICES) + 1
    assert lines[2] == "  1  HDMI                         0    8  44100 Hz  ALSA  (default output)"


@pytest.fixture
def library() -> FakePortAudio:
    return FakePortAudio()


@pytest.fixture
def host(library: FakePortAudio) -> Host:
    return Host(lambda: library, Answer)


def nothing(*_: Any) -> None:
    pass


def request_for(wanted: str = "default", *, rate_hz: int = 16_000) -> Request:
    return Request("input", wanted, rate_hz, "low")


def test_a_stream_is_mono_at_the_wanted_rate_in_blocks_of_20_ms(host: Host, library: FakePortAudio) -> None:
    stream = host.open(request_for(), nothing, nothing)
    assert (stream.rate_hz, stream.channels) == (16_000, 1)
    assert stream.raw.options["blocksize"] == 320
    assert library.done == ["start"]


def test_a_refused_rate_becomes_the_devices_own(host: Host, library: FakePortAudio) -> None:
    def refuse(rate_hz: int, channels: int) -> None:
        if rate_hz != 48_000:
            raise Refused("Invalid sample rate", -9997)

    library.refuse = refuse
    stream = host.open(request_for(), nothing, nothing)
    assert (stream.rate_hz, stream.channels, stream.raw.options["blocksize"]) == (48_000, 1, 960)


def test_refused_channels_become_the_devices_own(host: Host, library: FakePortAudio) -> None:
    def refuse(rate_hz: int, channels: int) -> None:
        if channels != 6 or rate_hz != 48_000:
            raise Refused("Invalid number of channels", -9998)

    library.refuse = refuse
    stream = host.open(request_for(), nothing, nothing)
    assert (stream.rate_hz, stream.channels) == (48_000, 6)
    assert library.tried == [(16_000, 1), (16_000, 2), (16_000, 6), (48_000, 1), (48_000, 2), (48_000, 6)]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (-9985, DeviceBusy, r"^audio\.input: 0 'pulse' is in use by another program\. Close that program"),
        (-9997, DeviceError, r"^audio\.input: 0 'pulse' can't be opened: Oh\. Check that the sound server runs"),
        (-9993, DeviceError, r"^audio\.input: 0 'pulse' can't be opened: Oh\. Check that the sound server runs"),
    ],
)
def test_a_device_that_cannot_be_opened_is_one_clear_error(
    code: int, kind: type[DeviceError], message: str, host: Host, library: FakePortAudio
) -> None:
    def refuse(rate_hz: int, channels: int) -> None:
        raise Refused("Oh", code)

    library.refuse = refuse
    with pytest.raises(kind, match=message):
        host.open(request_for(), nothing, nothing)


def test_a_stream_that_does_not_start_is_closed(host: Host, library: FakePortAudio) -> None:
    def fail(self: FakeStream) -> None:
        raise Refused("Wait timed out", -9987)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeStream, "start", fail)
        with pytest.raises(DeviceError, match="Wait timed out"):
            host.open(request_for(), nothing, nothing)
    assert library.done == ["close"]


def test_the_monitor_is_named_only_while_it_is_opened(host: Host, library: FakePortAudio) -> None:
    host.open(request_for("monitor"), nothing, nothing)
    assert library.environment == {"PULSE_SOURCE": "@DEFAULT_MONITOR@"}
    assert "PULSE_SOURCE" not in os.environ


def test_after_a_failure_the_device_list_is_refreshed(host: Host, library: FakePortAudio) -> None:
    library.names = []
    with pytest.raises(NoSuchDevice):
        host.open(request_for(), nothing, nothing)
    assert library.done == []
    library.names = ["pulse"]
    host.open(request_for(), nothing, nothing)
    assert library.done == ["terminate", "initialize", "start"]


def test_the_device_list_is_never_refreshed_while_a_stream_is_open(
    host: Host, library: FakePortAudio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cards = tmp_path / "cards"
    monkeypatch.setattr(portaudio, "_CARDS", cards)
    asked: list[str] = []
    host.on_stale["output"] = lambda: asked.append("output")
    host.on_stale["input"] = lambda: asked.append("input")
    speaker = host.open(Request("output", "default", 24_000, "low"), nothing, nothing)
    with pytest.raises(NoSuchDevice):
        host.open(request_for("yeti"), nothing, nothing)
    assert asked == []  # nothing was plugged in
    cards.write_text("1 [Yeti]")
    with pytest.raises(NoSuchDevice):
        host.open(request_for("yeti"), nothing, nothing)
    assert asked == ["output"]
    assert "terminate" not in library.done
    host.close(speaker)
    library.names.append("yeti")
    assert host.open(request_for("yeti"), nothing, nothing).device.index == 1
    assert library.done == ["start", "abort", "close", "terminate", "initialize", "start"]


def test_without_the_portaudio_library_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(DeviceError, match=r"PortAudio is not installed.*libportaudio2"):
        Host().devices()


def test_the_devices_are_listed_as_json(
    monkeypatch: pytest.MonkeyPatch, host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    from voiceloop.cli import devices as command

    async def available() -> list[Device]:
        await trio.lowlevel.checkpoint()
        return host.devices()

    monkeypatch.setattr(streams, "devices", available)
    with pytest.raises(SystemExit) as ended:
        command.devices(json=True)
    assert not ended.value.code
    listed = json.loads(capsys.readouterr().out)
    assert [device["name"] for device in listed] == ["pulse"]


SERVER = Answer((Node("output", "speaker", "Loudspeaker", 2, 48_000, default=True),))


def test_where_a_sound_server_answers_its_plug_in_is_the_default_for_good(library: FakePortAudio) -> None:
    """Through PipeWire's own plug-in, the default, late callbacks lose sound and a restart leaves a thread behind."""
    host = Host(lambda: library, lambda: SERVER)
    library.names = ["default", "pulse"]
    opened = host.open(request_for(), nothing, nothing).device
    assert (opened.index, opened.name) == (1, "default")  # the server names no default microphone
    library.names = ["default"]  # while the server restarts
    with pytest.raises(NoSuchDevice, match="pulse"):
        host.open(Request("output", "default", 24_000, "low"), nothing, nothing)


def test_the_servers_default_is_called_by_its_name(library: FakePortAudio) -> None:
    library.names = ["default", "pulse"]
    loudspeaker = Request("output", "default", 24_000, "low")
    assert Host(lambda: library, lambda: SERVER).open(loudspeaker, nothing, nothing).device.label == "Loudspeaker"
    given = Request("output", "pulse", 24_000, "low")
    assert Host(lambda: library, lambda: SERVER).open(given, nothing, nothing).device.label == "pulse"


@pytest.mark.parametrize(
    ("node", "there"),
    [
        (Node("input", "mic", "Microphone", 2, 48_000, default=True), True),
        (Node("input", "mic", "Microphone", 2, 48_000), False),
        (Node("input", "speaker.monitor", "Monitor of Loudspeaker", 2, 48_000, monitor=True, default=True), False),
        (Node("output", "speaker", "Loudspeaker", 2, 48_000, default=True), False),
    ],
)
def test_the_server_has_a_microphone_when_its_default_is_a_real_one(node: Node, there: bool) -> None:
    assert Answer((node,)).has("input") is there


def test_while_the_server_starts_nothing_is_opened_through_it(library: FakePortAudio) -> None:
    """A stream that fails as it starts makes PortAudio wait for ever, under the host's lock."""
    loudspeaker = Request("output", "default", 24_000, "low")
    answers = [SERVER]
    host = Host(lambda: library, lambda: answers[-1])
    host.close(host.open(loudspeaker, nothing, nothing))
    host.suspect()
    dummy = Node("output", "auto_null", "Dummy Output", 2, 48_000, default=True)
    for not_yet in (Answer(silence="there is no server"), Answer((dummy,))):
        answers.append(not_yet)
        with pytest.raises(DeviceError, match=r"^audio\.output: the sound server has no device yet"):
            host.open(loudspeaker, nothing, nothing)
    assert len(library.tried) == 1
    answers.append(SERVER)
    host.open(loudspeaker, nothing, nothing)
    assert len(library.tried) == 2


def test_without_a_sound_server_or_its_plug_in_the_default_is_alsas(library: FakePortAudio) -> None:
    library.names = ["default", "pulse"]
    assert Host(lambda: library, Answer).open(request_for(), nothing, nothing).device.name == "default"
    library.names = ["default", "pipewire"]
    assert Host(lambda: library, lambda: SERVER).open(request_for(), nothing, nothing).device.name == "default"
