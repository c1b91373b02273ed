"""Which sound device is meant. Pure: works on lists that somebody else asked PortAudio and the sound server for.

Where PulseAudio or PipeWire owns the hardware, PortAudio lists little more than ALSA's doors to it. The server's own
devices, which people know by name, are then devices too: opened at the door, with the name in the environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from voiceloop.errors import NoSuchDevice

Direction = Literal["input", "output"]

FILE_PREFIX = "file:"
_SERVER_DEVICES = ("pulse", "pipewire")
"""ALSA's doors to the sound servers. Only they can be told which of the server's devices is meant."""
NO_DEVICE = (
    "On Linux a running PulseAudio or PipeWire and its ALSA plug-in (Debian: libasound2-plugins or pipewire-alsa) are "
    "needed; without sound, set it to 'file:PATH' or 'none'"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A microphone or loudspeaker as the sound server lists it: a source or a sink."""

    which: Direction
    name: str
    """The server's name for programs: `alsa_input.usb-Blue_Yeti-00.analog-stereo`."""
    description: str
    """The name that desktops show: `Blue Yeti Analog Stereo`."""
    channels: int
    rate_hz: int
    monitor: bool = False
    """It records what a loudspeaker plays."""
    default: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device as PortAudio lists it, or as the sound server does. `rate_hz` is its own default rate."""

    index: int
    name: str
    inputs: int
    outputs: int
    rate_hz: int
    api: str = ""
    default_input: bool = False
    default_output: bool = False
    node: str = ""
    """The sound server's name for it, where it is the server's: then `index` and `api` are ALSA's door to it."""
    monitor: bool = False

    @property
    def label(self) -> str:
        """Its name, and through what it is reached where that isn't the same."""
        return f"{self.name} through {self.api}" if self.node else self.name

    def channels(self, which: Direction) -> int:
        return self.inputs if which == "input" else self.outputs

    def is_default(self, which: Direction) -> bool:
        return self.default_input if which == "input" else self.default_output


def has_a_name(wanted: str) -> bool:
    """Whether `wanted` may be one of the sound server's own devices, for which the server must be asked."""
    name = wanted.strip().casefold()
    return name not in ("default", "monitor", *_SERVER_DEVICES) and not name.isdecimal()


def with_nodes(devices: Sequence[Device], nodes: Iterable[Node]) -> list[Device]:
    """PortAudio's devices, and after them those of the sound server that can be reached through one of them."""
    return [*devices, *(_reached(door, node) for node in nodes if (door := _door(devices, node.which)) is not None)]


def _reached(door: Device, node: Node) -> Device:
    return Device(
        index=door.index,
        name=node.description,
        inputs=node.channels if node.which == "input" else 0,
        outputs=node.channels if node.which == "output" else 0,
        rate_hz=node.rate_hz,
        api=door.name.casefold(),
        default_input=node.default and node.which == "input",
        default_output=node.default and node.which == "output",
        node=node.name,
        monitor=node.monitor,
    )


def _door(devices: Sequence[Device], which: Direction) -> Device | None:
    usable = {d.name.casefold(): d for d in reversed(devices) if d.channels(which) > 0 and not d.node}
    return next((usable[name] for name in _SERVER_DEVICES if name in usable), None)


def choose(devices: Sequence[Device], wanted: str, which: Direction, *, hint: str = "") -> Device:
    """The device that `wanted` means: `default`, `monitor`, an index or a part of a name (upper or lower case).

    Raises NoSuchDevice, which lists what there is, and adds the hint.
    """
    usable = [d for d in devices if d.channels(which) > 0]
    own = [d for d in usable if not d.node]
    if not own:
        raise NoSuchDevice(f"there is no sound {which} device", place=f"audio.{which}", remedy=NO_DEVICE)
    if wanted == "default":
        return next((d for d in own if d.is_default(which)), own[0])
    if wanted == "monitor" and which == "input":
        return _monitor(own)
    if wanted.strip().isdecimal():
        found = next((d for d in own if d.index == int(wanted)), None)
    else:
        found = _named(usable, wanted.strip().casefold())
    if found is None:
        remedy = f"{_what_there_is(usable)}. {hint}" if hint else _what_there_is(usable)
        raise NoSuchDevice(f"no device matches {wanted!r}", place=f"audio.{which}", remedy=remedy)
    return found


def _named(usable: Sequence[Device], name: str) -> Device | None:
    """The sound server's devices go before ALSA's, which it may have taken; monitors come last: few mean them."""

    def is_it(device: Device) -> bool:
        return name in (device.name.casefold(), device.node.casefold())

    def has_it(device: Device) -> bool:
        return name in device.name.casefold() or name in device.node.casefold()

    ranks: tuple[Callable[[Device], bool], ...] = (
        lambda d: is_it(d) and not d.node,
        is_it,
        lambda d: has_it(d) and bool(d.node) and not d.monitor,
        lambda d: has_it(d) and not d.node,
        has_it,
    )
    return next((device for fits in ranks for device in usable if fits(device)), None)


def _monitor(own: Sequence[Device]) -> Device:
    door = _door(own, "input")
    if door is not None:
        return door
    for device in own:
        if "monitor" in device.name.casefold():
            return device
    raise NoSuchDevice(
        "no device records what the computer plays",
        place="audio.input",
        remedy="Under PulseAudio and PipeWire it needs ALSA's plug-in (Debian: libasound2-plugins or pipewire-alsa); "
        "elsewhere install a loopback device and give its name. " + _what_there_is(own),
    )


def environment(device: Device, wanted: str, which: Direction) -> dict[str, str]:
    """What to set while `device` is opened, so that its door leads to what is wanted.

    PulseAudio's client library reads PULSE_SOURCE and PULSE_SINK when it connects, and the server knows the default
    loudspeaker's monitor by a name of its own (pulse-client.conf(5); pipewire-pulse knows it too). PipeWire's own
    plug-in reads PIPEWIRE_ALSA, and knows a monitor as its sink.
    """
    if device.node:
        if device.api == "pulse":
            return {"PULSE_SOURCE" if which == "input" else "PULSE_SINK": device.node}
        target: dict[str, object] = {"target.object": device.node.removesuffix(".monitor")}
        return {"PIPEWIRE_ALSA": json.dumps(target | {"stream.capture.sink": True} if device.monitor else target)}
    if wanted == "monitor":
        return {
            "pulse": {"PULSE_SOURCE": "@DEFAULT_MONITOR@"},
            "pipewire": {"PIPEWIRE_ALSA": '{ "stream.capture.sink": true }'},
        }.get(device.name.casefold(), {})
    return {}


def _what_there_is(usable: Sequence[Device]) -> str:
    names = (repr(d.name) if d.node else f"{d.index} {d.name!r}" for d in usable)
    return f"'voiceloop devices' lists: {', '.join(names)}"
