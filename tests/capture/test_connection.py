"""What the sound server connects the microphone to: a microphone, another one, or what the loudspeaker plays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from voiceloop.audio.devices import Device, Node
from voiceloop.audio.portaudio import Stream
from voiceloop.audio.sound_server import Answer
from voiceloop.capture.connection import Connection

MIC = Node("input", "usb", "Mikrofon 内置", 1, 48_000, default=True)
SPEAKER = Node("output", "hdmi", "Fernseher", 2, 48_000, default=True)
CANS = Node("output", "bluez", "Kopfhörer", 2, 48_000)
MONITOR = Node("input", "hdmi.monitor", "Monitor of Fernseher", 2, 48_000, monitor=True, monitor_of="hdmi")
MONITOR_OF_CANS = Node("input", "bluez.monitor", "Monitor of Kopfhörer", 2, 48_000, monitor=True, monitor_of="bluez")
BY_DEFAULT = replace(MONITOR, default=True)
NO_MICROPHONE = "there is no microphone, only what 'Fernseher' plays"


def stream(*, node: str = "", name: str = "default", monitor: str | None = None) -> Stream:
    device = Device(0, name, 1, 0, 48_000, "pulse", node=node)
    return Stream(None, device, 16_000, 1, 0.02, monitor, tag="7")


def told(wanted: str, opened: Stream, answer: Answer) -> Connection:
    connection = Connection(wanted)
    connection.opened(opened)
    connection.update(answer)
    return connection


def answer(*nodes: Node, source: str = "") -> Answer:
    return Answer(nodes, recorded={"7": source} if source else {})


def test_without_a_microphone_the_server_hands_out_the_loudspeakers_monitor() -> None:
    connection = told("default", stream(), answer(BY_DEFAULT, SPEAKER, source="hdmi.monitor"))
    assert (connection.missing, connection.awaited) == (NO_MICROPHONE, True)
    connection.update(answer(MONITOR, SPEAKER, MIC))
    assert not connection.awaited


@pytest.mark.parametrize(
    "seen",
    [
        answer(MIC, MONITOR, SPEAKER, source="usb"),
        answer(MIC, MONITOR, SPEAKER, source="hdmi.monitor"),  # the user has moved the stream there
        answer(BY_DEFAULT, SPEAKER),  # the stream is none of the server's, or not connected yet
        answer(replace(MIC, default=False), BY_DEFAULT, SPEAKER, source="usb"),  # moved away from it
        Answer(silence="there is no server"),
        Answer(),
    ],
)
def test_a_microphone_or_what_the_user_has_chosen_in_its_place_is_recorded(seen: Answer) -> None:
    assert told("default", stream(), seen).missing == ""


def test_a_named_microphone_that_is_unplugged_is_missing_whatever_takes_its_place() -> None:
    opened = stream(node="usb", name="Mikrofon 内置")
    other = Node("input", "webcam", "Webcam", 1, 48_000, default=True)
    connection = told("mikrofon", opened, answer(other, MONITOR, SPEAKER, source="webcam"))
    assert connection.missing == "'Mikrofon 内置' is unplugged or switched off"
    assert not connection.awaited  # only opening it shows whether a device of that name is there
    assert told("mikrofon", opened, answer(MIC, MONITOR, SPEAKER, source="hdmi.monitor")).missing == ""


def test_a_loudspeaker_that_is_listened_to_on_purpose_is_no_missing_microphone() -> None:
    seen = answer(BY_DEFAULT, SPEAKER, source="hdmi.monitor")
    assert told("monitor", stream(node="hdmi.monitor", monitor="hdmi.monitor"), seen).missing == ""
    connection = told("hdmi.monitor", stream(node="hdmi.monitor"), seen)
    assert (connection.missing, connection.awaited) == ("", False)


def test_what_was_known_of_the_stream_before_is_forgotten_when_it_is_opened_again() -> None:
    connection = told("default", stream(), answer(BY_DEFAULT, SPEAKER, source="hdmi.monitor"))
    connection.opened(stream())
    assert (connection.missing, connection.moved, connection.awaited) == ("", False, False)


def test_the_monitor_follows_the_default_loudspeaker() -> None:
    opened = stream(node="hdmi.monitor", monitor="hdmi.monitor")
    connection = told("monitor", opened, answer(MONITOR, MONITOR_OF_CANS, SPEAKER, CANS))
    assert not connection.moved
    connection.update(answer(MONITOR, MONITOR_OF_CANS, replace(SPEAKER, default=False), replace(CANS, default=True)))
    assert (connection.moved, connection.loudspeaker("bluez.monitor")) == (True, "Kopfhörer")
    assert not told("hdmi.monitor", stream(node="hdmi.monitor"), answer(MONITOR, CANS)).moved


def test_a_monitor_that_is_gone_is_left_though_the_server_does_not_say_what_is_default() -> None:
    opened = stream(node="hdmi.monitor", monitor="hdmi.monitor")
    cans = replace(CANS, default=False)
    assert told("monitor", opened, answer(MONITOR_OF_CANS, cans, source="bluez.monitor")).moved
    assert not told("monitor", opened, answer(MONITOR_OF_CANS, cans)).moved  # what it records is not known
    assert not told("monitor", opened, answer(MONITOR, MONITOR_OF_CANS, cans, source="bluez.monitor")).moved
    unnamed = stream(monitor="")
    assert not told("monitor", unnamed, answer(MONITOR_OF_CANS, cans, source="bluez.monitor")).moved


def test_a_named_device_that_pipewire_left_for_the_new_default_is_opened_again() -> None:
    other = Node("input", "webcam", "Webcam", 1, 48_000, default=True)
    nodes = (replace(MIC, default=False), other, Node("input", "line", "Line in", 2, 48_000), SPEAKER)
    connection = told("mikrofon", stream(node="usb"), answer(MIC, SPEAKER, source="usb"))
    connection.update(answer(*nodes, source="webcam"))
    assert connection.moved
    connection.update(answer(*nodes, source="line"))  # that was the user
    assert not connection.moved


def test_a_named_device_that_is_not_recorded_from_the_beginning_is_not_opened_again_and_again() -> None:
    connection = told("usb", stream(node="usb"), answer(replace(MIC, default=False), BY_DEFAULT, SPEAKER))
    connection.update(answer(replace(MIC, default=False), BY_DEFAULT, SPEAKER, source="hdmi.monitor"))
    assert not connection.moved


def test_the_default_microphone_may_change() -> None:
    connection = told("default", stream(), answer(MIC, SPEAKER, source="usb"))
    connection.update(answer(Node("input", "webcam", "Webcam", 1, 48_000, default=True), MIC, SPEAKER, source="webcam"))
    assert (connection.moved, connection.missing) == (False, "")


def test_a_muted_microphone_is_told_once() -> None:
    connection = Connection("default")
    connection.opened(stream())
    muted = answer(replace(MIC, muted=True), SPEAKER, source="usb")
    said = [connection.update(seen) for seen in (answer(MIC, source="usb"), muted, answer(MIC, source="usb"), muted)]
    text = "audio.input: 'Mikrofon 内置' is muted, or its volume is zero. Change that in the sound settings."
    assert said == ["", text, "", ""]


def test_a_muted_microphone_that_is_not_in_use_is_not_told() -> None:
    connection = Connection("default")
    assert connection.update(answer(replace(MIC, muted=True), source="usb")) == ""
    connection.opened(stream())
    assert connection.update(answer(replace(MIC, muted=True), MONITOR, source="hdmi.monitor")) == ""
    assert connection.update(Answer(silence="gone")) == ""
