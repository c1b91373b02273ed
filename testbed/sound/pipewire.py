"""A private PipeWire with WirePlumber and pipewire-pulse. It needs no session, D-Bus, systemd or root.

It is what `scripts/pipewire` has unpacked in `.venv/pipewire`, else what is installed. As on a desktop the graph runs
at 48 kHz, the devices are stereo, and ALSA's `default` is PipeWire's own plug-in. Sound is resampled on its way.

WirePlumber looks for no sound card here: those belong to the machine's own sound server.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from testbed.sound.pulseaudio import wait_until

UNPACKED = Path(__file__).parents[2] / ".venv" / "pipewire" / "tree"
_SERVICES = ("pipewire", "wireplumber", "pipewire-pulse")
_GRAPH_HZ = 48_000
_GRAPH = (
    f"context.properties = {{{{ default.clock.rate = {_GRAPH_HZ} default.clock.allowed-rates = [ {_GRAPH_HZ} ] "
    "default.clock.min-quantum = {} }}\n"
)
_QUANTUM = 1024
"""The least number of samples in a cycle of the graph: PipeWire has 21 ms for one. When it is too late for a cycle, as
on a busy machine even with real-time rights, it drops that sound: a prompt loses a word on its way to the microphone.
At a load of 7 on 2 cores, 4 of 60 prompts of a second lost a cycle of 256 samples, and none one of 1024. Without this
the programs of the tests make it 256, as on a desktop; so does `CABLE_QUANTUM=256`, for measurements.
"""
_DEVICES = {
    "speaker": ("Audio/Sink", "Cable Loudspeaker"),
    "mic_cable": ("Audio/Sink", "Cable into the microphone"),
    "mic": ("Audio/Source/Virtual", "Cable Microphone"),
}
_DEFAULTS = {"sink": "speaker", "source": "mic"}
_AGAIN_S = 3.0
"""How long PipeWire may take to make a device, or WirePlumber to make it the default, before it is asked again."""
_NO_CARDS_0_4 = """alsa_monitor.enabled = false
v4l2_monitor.enabled = false
libcamera_monitor.enabled = false
-- Without a bus the portal's part of it ends all of WirePlumber.
default_access.properties["enable-flatpak-portal"] = false
"""
_NO_BLUETOOTH_0_4 = (
    "bluez_monitor.enabled = false\nbluez_midi_monitor = bluez_midi_monitor or {}\nbluez_midi_monitor.enabled = false\n"
)
_NO_CARDS_0_5 = """
wireplumber.profiles = {
  main = {
    hardware.audio = disabled
    hardware.bluetooth = disabled
    hardware.video-capture = disabled
    support.dbus = disabled
  }
}
"""


class PipeWire:
    """The three services in a folder of their own."""

    name = "PipeWire"
    exact = False
    """Whether sound at the devices' own rates passes unchanged to the bit."""

    def __init__(self, folder: Path) -> None:
        self._dir = folder
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._told: dict[str, float] = {}
        """For each default, when WirePlumber was told of it last."""
        self._shape = (_GRAPH_HZ, 2)
        """The microphone's rate and channels."""
        share = (UNPACKED if UNPACKED.is_dir() else Path("/")) / "usr/share"
        config = folder / "config"
        shutil.copytree(share / "pipewire", config / "pipewire")
        shutil.copytree(share / "wireplumber", config / "wireplumber")
        (folder / "state").mkdir()
        quantum = os.environ.get("CABLE_QUANTUM", _QUANTUM)
        _write(config / "pipewire/pipewire.conf.d/cable.conf", _GRAPH.format(quantum))
        _write(config / "wireplumber/main.lua.d/80-no-cards.lua", _NO_CARDS_0_4)
        _write(config / "wireplumber/bluetooth.lua.d/80-no-bluetooth.lua", _NO_BLUETOOTH_0_4)
        _write(config / "wireplumber/wireplumber.conf.d/no-cards.conf", _NO_CARDS_0_5)
        self.changes: Mapping[str, str] = {
            "XDG_RUNTIME_DIR": str(folder),
            "PIPEWIRE_RUNTIME_DIR": str(folder),
            "PIPEWIRE_CONFIG_DIR": str(config / "pipewire"),
            "PULSE_RUNTIME_PATH": str(folder / "pulse"),
            "PULSE_SERVER": f"unix:{folder}/pulse/native",
            "PULSE_COOKIE": str(folder / "cookie"),
            **(_unpacked(folder) if UNPACKED.is_dir() else {}),
        }
        self._env = {**os.environ, **self.changes}
        self._servers_env = {
            **self._env,
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(config),
            "WIREPLUMBER_CONFIG_DIR": str(config / "wireplumber"),
        }
        # The desktop's bus and screen have nothing to do with it.
        for name in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"):
            self._servers_env.pop(name, None)

    @staticmethod
    def lacking() -> list[str]:
        """The programs that it needs and this machine lacks."""
        if UNPACKED.is_dir():
            return []
        return [tool for tool in (*_SERVICES, "pw-cli", "pw-metadata", "pw-link") if shutil.which(tool) is None]

    def load_libraries(self) -> None:
        """Load the unpacked library into this process: its own plug-in for ALSA would not find it."""
        if UNPACKED.is_dir():
            ctypes.CDLL(str(next(UNPACKED.glob("usr/lib/*/libpipewire-0.3.so.0"))))

    def start(self) -> None:
        """Start the services that don't run; return when the devices are there."""
        for name in (name for name in _SERVICES if name not in self._servers):
            if name == "pipewire":
                for left in self._dir.glob("pipewire-0*"):  # a killed one leaves its socket
                    left.unlink()
            with (self._dir / f"{name}.log").open("ab") as log:
                path = shutil.which(name, path=self._env["PATH"])
                self._servers[name] = subprocess.Popen([path or name], env=self._servers_env, stdout=log, stderr=log)
            if name == "pipewire":
                self._wait(self._accepts, "socket")
        self._wait(lambda: not self._run("pactl", "info").returncode, "answer")
        self.plug()

    def _accepts(self) -> bool:
        """Whether PipeWire takes connections: its socket is there earlier, and WirePlumber ends if it is refused."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._dir / "pipewire-0")) == 0

    def plug(self) -> None:
        """Make the devices that aren't there, and the cable between two of them."""
        for name, (kind, description) in _DEVICES.items():
            shape = (_GRAPH_HZ, 2) if name == "speaker" else self._shape
            self._create(name, _device(name, kind, description, *shape))
        self._wait(lambda: self._connect("mic_cable", "mic"), "cable")
        self._wait(self._are_defaults, "default")

    def _create(self, name: str, device: str) -> None:
        """Make a device, unless it is there. pw-cli was seen to hang on a busy machine: then it is asked again."""
        asked = -math.inf

        def there() -> bool:
            nonlocal asked
            if name in self._nodes():
                return True
            if time.monotonic() - asked > _AGAIN_S:
                asked = time.monotonic()
                self._run("pw-cli", "create-node", "adapter", device)
            return False

        self._wait(there, f"device {name}")

    def reshape(self, *, rate_hz: int, channels: int) -> None:
        """Take the microphone away, and make it anew in another shape."""
        self._shape = (rate_hz, channels)
        for device in ("mic", "mic_cable"):
            self.unplug(device)
        self.plug()

    def add_loudspeaker(self, name: str, description: str) -> None:
        self._add(name, "Audio/Sink", description)

    def add_microphone(self, name: str, description: str, *, hears: str) -> None:
        """Add a microphone that hears what is played into the loudspeaker `hears`."""
        self._add(name, "Audio/Source/Virtual", description)
        self._wait(lambda: self._connect(hears, name), f"microphone {name}")

    def echo(self, gain_db: float) -> None:
        """Have the microphone hear the loudspeaker, in the same cycle of the graph.

        With module-loopback the delay of the echo falls by 27 ms whenever a busy machine is late for a cycle.
        """
        self._add("echo", "Audio/Sink", "Echo")
        self._run("pactl", "set-sink-volume", "echo", f"{gain_db}dB")
        for heard, by in (("speaker", "echo"), ("echo", "mic_cable")):
            self._wait(lambda heard=heard, by=by: self._connect(heard, by), "echo")  # type: ignore[misc]

    def _add(self, name: str, kind: str, description: str) -> None:
        # Not by pw-cli, which takes '#' for a comment, nor as a remapped source, whose name can't begin with '['.
        shown = f"sink_properties=\"device.description='{description}'\""
        self._run("pactl", "load-module", "module-null-sink", f"sink_name={name}", f"media.class={kind}", shown)
        which = "sinks" if kind == "Audio/Sink" else "sources"
        self._wait(lambda: name in self._run("pactl", "list", "short", which).stdout.split(), f"device {name}")

    def unplug(self, device: str) -> None:
        def gone() -> bool:
            self._run("pw-cli", "destroy", device)
            return device not in self._nodes()

        self._wait(gone, f"end of {device}")

    def kill(self) -> None:
        for server in self._servers.values():
            server.kill()
        for server in self._servers.values():
            server.wait()
        self._servers.clear()

    def signal(self, number: signal.Signals) -> None:
        for server in self._servers.values():
            server.send_signal(number)

    def restart(self, service: str = "pipewire") -> None:
        """End a service in an orderly way and start it anew, as a desktop's service manager does; with PipeWire itself
        the others, too."""
        names = _SERVICES if service == "pipewire" else (service,)
        for name in names:
            self._servers[name].terminate()
        for name in names:
            self._servers.pop(name).wait()
        self.start()

    def _nodes(self) -> set[str]:
        """The names of all nodes: devices and streams."""
        lines = self._run("pw-cli", "ls", "Node").stdout.splitlines()
        return {line.partition('"')[2].rstrip('"') for line in lines if "node.name" in line}

    def _connect(self, loudspeaker: str, device: str) -> bool:
        """Connect a device to the loudspeaker that it hears, as soon as both have their ports; whether they are."""
        outputs = [port for port in self._ports("-o") if port.startswith(f"{loudspeaker}:monitor_")]
        inputs = [port for port in self._ports("-i") if port.startswith((f"{device}:input_", f"{device}:playback_"))]
        for ends in zip(outputs, inputs, strict=False):
            self._run("pw-link", *ends)
        return len(outputs) == len(inputs) > 0

    def _ports(self, option: str) -> list[str]:
        return self._run("pw-link", option).stdout.split()

    def _are_defaults(self) -> bool:
        """Make the devices the defaults, as soon as WirePlumber runs; whether they are."""
        listed = self._run("pw-metadata").stdout.splitlines()
        named = {
            which: any(f"'default.audio.{which}'" in line and f'"{name}"' in line for line in listed)
            for which, name in _DEFAULTS.items()
        }
        for which in (which for which, done in named.items() if not done):
            if time.monotonic() - self._told.get(which, 0.0) > _AGAIN_S:
                # WirePlumber makes no virtual microphone the default unless it is told, and once told doesn't look
                # again: so it is told anew.
                key, value = f"default.configured.audio.{which}", f'{{"name": "{_DEFAULTS[which]}"}}'
                self._run("pw-metadata", "-d", "0", key)
                self._run("pw-metadata", "0", key, value, "Spa:String:JSON")
                self._told[which] = time.monotonic()
        return all(named.values())

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        # PipeWire's own tools were seen to hang on a busy machine. Who calls them does so again.
        limit_s = 5 if words[0].startswith("pw-") else 60
        return subprocess.run(words, env=self._env, capture_output=True, text=True, check=False, timeout=limit_s)

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        def log() -> str:
            logs = "".join(f"{path.name}: {path.read_text()}" for path in sorted(self._dir.glob("*.log")))
            return f"PipeWire: no {what}. {logs}"

        wait_until(done, log, running=lambda: all(server.poll() is None for server in self._servers.values()))


def _device(name: str, kind: str, description: str, rate_hz: int, channels: int) -> str:
    """The properties of a virtual device, which stays when the client that makes it has gone.

    It is never suspended: WirePlumber 0.4 crashes when it is about to suspend a device that was unplugged meanwhile.
    """
    sink = "monitor.channel-volumes = true monitor.passthrough = true" if kind == "Audio/Sink" else ""
    position = "FL FR" if channels == 2 else "MONO"
    priority = 3000 if name in _DEFAULTS.values() else 100
    return (
        f'{{ factory.name = support.null-audio-sink node.name = {name} node.description = "{description}" '
        f"media.class = {kind} object.linger = true "
        f"audio.rate = {rate_hz} audio.channels = {channels} audio.position = [ {position} ] "
        "session.suspend-timeout-seconds = 0 "
        f"priority.session = {priority} priority.driver = {priority} {sink} "
        "adapter.auto-port-config = { mode = dsp monitor = true position = preserve } }"
    )


def _unpacked(folder: Path) -> dict[str, str]:
    """The variables with which programs use what was unpacked."""
    (library,) = UNPACKED.glob("usr/lib/*/spa-0.2")
    lib = library.parent
    variables = {
        "PATH": f"{UNPACKED / 'usr/bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": ":".join(filter(None, [str(lib), os.environ.get("LD_LIBRARY_PATH")])),
        "SPA_PLUGIN_DIR": str(library),
        "SPA_DATA_DIR": str(UNPACKED / "usr/share/spa-0.2"),
        "PIPEWIRE_MODULE_DIR": str(next(lib.glob("pipewire-0.*"))),
        "WIREPLUMBER_MODULE_DIR": str(next(lib.glob("wireplumber-*"))),
        "WIREPLUMBER_DATA_DIR": str(UNPACKED / "usr/share/wireplumber"),
    }
    # ALSA's settings are the machine's, but those of sound servers are the ones of this PipeWire.
    settings = folder / "alsa"
    plug_in = lib / "alsa-lib/libasound_module_{}_pipewire.so"
    types = "".join(f'{kind}_type.pipewire.lib "{str(plug_in).format(kind)}"\n' for kind in ("pcm", "ctl"))
    _write(settings / "10-plug-in.conf", types)
    own = UNPACKED / "usr/share/alsa/alsa.conf.d"
    for path in (*own.glob("*.conf"), Path("/usr/share/alsa/alsa.conf.d/50-pulseaudio.conf")):
        if path.is_file():
            shutil.copy(path, settings)
    machine = Path("/usr/share/alsa/alsa.conf").read_text()
    _write(folder / "asound.conf", machine.replace('"/etc/alsa/conf.d"', f'"{settings}"'))
    return variables | {"ALSA_CONFIG_PATH": str(folder / "asound.conf")}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
