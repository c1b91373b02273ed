"""Which sound device is meant. Pure: works on a list that somebody else asked PortAudio for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from voiceloop.errors import NoSuchDevice

Direction = Literal["input", "output"]

FILE_PREFIX = "file:"
_SERVER_DEVICES = ("pulse", "pipewire")
"""ALSA's doors to the sound servers. Only they can be told to record a monitor."""
NO_DEVICE = (
    "On Linux a running PulseAudio or PipeWire and its ALSA plug-in (Debian: libasound2-plugins or pipewire-alsa) are "
    "needed; without sound, set it to 'file:PATH' or 'none'"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device as PortAudio lists it. `rate_hz` is its own default rate."""

    index: int
    name: str
    inputs: int
    outputs: int
    rate_hz: int
    api: str = ""
    default_input: bool = False
    default_output: bool = False

    def channels(self, which: Direction) -> int:
        return self.inputs if which == "input" else self.outputs

    def is_default(self, which: Direction) -> bool:
        return self.default_input if which == "input" else self.default_output


def choose(devices: Sequence[Device], wanted: str, which: Direction) -> Device:
    """The device that `wanted` means: `default`, `monitor`, an index or a part of a name (upper or lower case).

    Raises NoSuchDevice, which lists what there is.
    """
    usable = [d for d in devices if d.channels(which) > 0]
    if not usable:
        raise NoSuchDevice(f"there is no sound {which} device", place=f"audio.{which}", remedy=NO_DEVICE)
    if wanted == "default":
        return next((d for d in usable if d.is_default(which)), usable[0])
    if wanted == "monitor" and which == "input":
        return _monitor(usable)
    if wanted.strip().isdecimal():
        matches = [d for d in usable if d.index == int(wanted)]
    else:
        name = wanted.strip().casefold()
        matches = [d for d in usable if d.name.casefold() == name] or [d for d in usable if name in d.name.casefold()]
    if not matches:
        raise NoSuchDevice(f"no device matches {wanted!r}", place=f"audio.{which}", remedy=_what_there_is(usable))
    return matches[0]


def _monitor(usable: Sequence[Device]) -> Device:
    for name in _SERVER_DEVICES:
        for device in usable:
            if device.name.casefold() == name:
                return device
    for device in usable:
        if "monitor" in device.name.casefold():
            return device
    raise NoSuchDevice(
        "no device records what the computer plays",
        place="audio.input",
        remedy="Under PulseAudio and PipeWire it needs ALSA's plug-in (Debian: libasound2-plugins or pipewire-alsa); "
        "elsewhere install a loopback device and give its name. " + _what_there_is(usable),
    )


def monitor_environment(device: Device) -> dict[str, str]:
    """What to set while `device` is opened so that it records the default loudspeaker's monitor.

    PulseAudio's client library reads PULSE_SOURCE when it connects, and the server knows this name
    (pulse-client.conf(5); pipewire-pulse knows it too). PipeWire's own plug-in reads PIPEWIRE_ALSA.
    """
    return {
        "pulse": {"PULSE_SOURCE": "@DEFAULT_MONITOR@"},
        "pipewire": {"PIPEWIRE_ALSA": '{ "stream.capture.sink": true }'},
    }.get(device.name.casefold(), {})


def _what_there_is(usable: Sequence[Device]) -> str:
    return "'voiceloop devices' lists: " + ", ".join(f"{d.index} {d.name!r}" for d in usable)
