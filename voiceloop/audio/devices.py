"""Sound devices, and the choice of the one that the config means. Pure: works on lists made by others.

Where PulseAudio or PipeWire owns the hardware, PortAudio lists hardly anything but ALSA's plug-ins for these servers.
So the server's own microphones and loudspeakers, which people know by name, are listed as devices too. Such a device is
opened through the plug-in (`pulse` or `pipewire`), with its name in an environment variable.

    audio.input = "Blue Yeti"  ->  PortAudio opens the ALSA device 'pulse'
                                   with PULSE_SOURCE=alsa_input.usb-Blue_Yeti-00.analog-stereo
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from voiceloop.errors import NoSuchDevice

Direction = Literal["input", "output"]

FILE_PREFIX = "file:"
PULSE = "pulse"
_SERVER_DEVICES = (PULSE, "pipewire")
"""ALSA's plug-ins for the sound servers. Only these can be told which of the server's devices is meant."""
TAG = "voiceloop.stream"
"""The property by which a stream of this program is recognised among those that the sound server lists."""
NO_DEVICE = (
    "On Linux a running PulseAudio or PipeWire and its ALSA plug-in (Debian: libasound2-plugins or pipewire-alsa) are "
    "needed. To run without a sound device, set it to 'file:PATH' or 'none'"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A microphone or loudspeaker as the sound server lists it (in its terms a source or a sink)."""

    which: Direction
    name: str
    """The server's name for programs, such as `alsa_input.usb-Blue_Yeti-00.analog-stereo`."""
    description: str
    """The name that desktops show, such as `Blue Yeti Analog Stereo`."""
    channels: int
    rate_hz: int
    monitor: bool = False
    """Whether it records what a loudspeaker plays."""
    default: bool = False
    monitor_of: str = ""
    """For a monitor: the name of the loudspeaker that it records."""
    muted: bool = False
    """Whether it is muted in the server, or its volume is zero."""


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device as PortAudio or the sound server lists it. `rate_hz` is the device's own default rate."""

    index: int
    name: str
    inputs: int
    outputs: int
    rate_hz: int
    api: str = ""
    default_input: bool = False
    default_output: bool = False
    node: str = ""
    """The sound server's name for the device, if it is one of the server's. Then `index` and `api` are those of the
    ALSA plug-in through which it is opened."""
    monitor: bool = False
    muted: bool = False

    @property
    def label(self) -> str:
        """The device's name, and the ALSA plug-in through which it is opened, if any."""
        return f"{self.name} through {self.api}" if self.node else self.name

    def channels(self, which: Direction) -> int:
        return self.inputs if which == "input" else self.outputs

    def is_default(self, which: Direction) -> bool:
        return self.default_input if which == "input" else self.default_output


def has_a_name(wanted: str) -> bool:
    """Whether `wanted` may mean one of the sound server's own devices, so that the server must be asked for them."""
    name = wanted.strip().casefold()
    return name not in ("default", *_SERVER_DEVICES) and not name.isdecimal()


def with_nodes(devices: Sequence[Device], nodes: Iterable[Node]) -> list[Device]:
    """Return PortAudio's devices, followed by the sound server's devices that can be opened through one of them."""
    return [
        *devices,
        *(_device(plugin, node) for node in nodes if (plugin := _server_plugin(devices, node.which)) is not None),
    ]


def _device(plugin: Device, node: Node) -> Device:
    return Device(
        index=plugin.index,
        name=node.description,
        inputs=node.channels if node.which == "input" else 0,
        outputs=node.channels if node.which == "output" else 0,
        rate_hz=node.rate_hz,
        api=plugin.name.casefold(),
        default_input=node.default and node.which == "input",
        default_output=node.default and node.which == "output",
        node=node.name,
        monitor=node.monitor,
        muted=node.muted,
    )


def _server_plugin(devices: Sequence[Device], which: Direction) -> Device | None:
    usable = {d.name.casefold(): d for d in reversed(devices) if d.channels(which) > 0 and not d.node}
    return next((usable[name] for name in _SERVER_DEVICES if name in usable), None)


def choose(devices: Sequence[Device], wanted: str, which: Direction, *, hint: str = "", monitor: str = "") -> Device:
    """Return the device that `wanted` means: `default`, `monitor`, an index, or part of a name in any case.

    Raises NoSuchDevice, whose remedy lists the devices there are, followed by `hint`; also if two devices have the name
    that is wanted. `monitor` is the sound server's name for the default loudspeaker's monitor, if it is known.
    """
    usable = [d for d in devices if d.channels(which) > 0]
    portaudio = [d for d in usable if not d.node]
    if not portaudio:
        raise NoSuchDevice(f"there is no sound {which} device", place=f"audio.{which}", remedy=NO_DEVICE)
    if wanted == "default":
        return next((d for d in portaudio if d.is_default(which)), portaudio[0])
    if wanted == "monitor" and which == "input":
        return next((d for d in usable if monitor and d.node == monitor), None) or _monitor(portaudio)
    if wanted.strip().isdecimal():
        found = next((d for d in portaudio if d.index == int(wanted)), None)
    else:
        found = _named(usable, _folded(wanted))
    if found is None:
        remedy = f"{_listing(usable)}. {hint}" if hint else _listing(usable)
        raise NoSuchDevice(f"no device matches {wanted!r}", place=f"audio.{which}", remedy=remedy)
    if found.node and _folded(wanted) not in _folded(found.node):
        _refuse_twins(found, usable, which)
    return found


def has_pulse(devices: Iterable[Device], which: Direction) -> bool:
    """Whether ALSA's plug-in for PulseAudio is among PortAudio's devices."""
    return any(device.name.casefold() == PULSE and device.channels(which) > 0 for device in devices)


def _refuse_twins(found: Device, usable: Sequence[Device], which: Direction) -> None:
    """Raise NoSuchDevice if another of the server's devices has the same name: which one is meant can't be known."""
    twins = [device.node for device in usable if device.node and device.name == found.name]
    if len(twins) > 1:
        raise NoSuchDevice(
            f"{len(twins)} devices are named {found.name!r}",
            place=f"audio.{which}",
            remedy=f"Give the name that the sound server has for it: {' or '.join(map(repr, twins))}",
        )


def twins(devices: Iterable[Device]) -> set[str]:
    """The names that more than one of the server's devices has, in one direction."""
    count = Counter((device.name, device.inputs > 0) for device in devices if device.node)
    return {name for (name, _), times in count.items() if times > 1}


def _folded(name: str) -> str:
    """The name without what may differ though it reads the same: case, and how accents are composed."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _named(usable: Sequence[Device], name: str) -> Device | None:
    """Return the device that fits the name best.

    For a part of a name, the sound server's devices precede ALSA's, which the server may be using. Monitors come last,
    because they are seldom meant.
    """

    def equal(device: Device) -> bool:
        return name in (_folded(device.name), _folded(device.node))

    def contains(device: Device) -> bool:
        return name in _folded(device.name) or name in _folded(device.node)

    ranks: tuple[Callable[[Device], bool], ...] = (
        lambda d: equal(d) and not d.node,
        equal,
        lambda d: contains(d) and bool(d.node) and not d.monitor,
        lambda d: contains(d) and not d.node,
        contains,
    )
    return next((device for fits in ranks for device in usable if fits(device)), None)


def _monitor(portaudio: Sequence[Device]) -> Device:
    plugin = _server_plugin(portaudio, "input")
    if plugin is not None:
        return plugin
    for device in portaudio:
        if "monitor" in device.name.casefold():
            return device
    raise NoSuchDevice(
        "no device records what the computer plays",
        place="audio.input",
        remedy="With PulseAudio or PipeWire, install its ALSA plug-in (Debian: libasound2-plugins or pipewire-alsa); "
        "otherwise install a loopback device and set audio.input to its name. " + _listing(portaudio),
    )


def environment(device: Device, wanted: str, which: Direction) -> dict[str, str]:
    """Return the environment variables to set while `device` is opened, so that it leads to the wanted device.

    PulseAudio's client library reads PULSE_SOURCE and PULSE_SINK when it connects, and the server has a special name
    for the default loudspeaker's monitor (pulse-client.conf(5); pipewire-pulse knows it too). PipeWire's own plug-in
    reads PIPEWIRE_ALSA, where a monitor is addressed as its sink.
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


def tagging(tag: str, which: Direction, present: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that have the sound server show `tag` with the stream that is opened.

    `present` are the variables that are set already: those of `environment`, or the user's own.
    """
    if which != "input":
        return {}
    added = f"{TAG}={tag}"
    variables = {"PULSE_PROP": f"{present['PULSE_PROP']} {added}" if present.get("PULSE_PROP") else added}
    properties = present.get("PIPEWIRE_ALSA", "").strip()
    inner = properties.removeprefix("{").removesuffix("}").strip().rstrip(",")
    variables["PIPEWIRE_ALSA"] = f'{{ {f"{inner}, " if inner else ""}"{TAG}": "{tag}" }}'
    return variables


def _listing(usable: Sequence[Device]) -> str:
    shared = twins(usable)
    names = (
        (f"{d.name!r} ({d.node})" if d.name in shared else repr(d.name)) if d.node else f"{d.index} {d.name!r}"
        for d in usable
    )
    return f"'voiceloop devices' lists: {', '.join(names)}"
