"""A private PulseAudio. It needs no session, D-Bus or root.

The loudspeaker runs at 24 kHz and the microphone at 16 kHz, both in mono, so that sound at these rates passes unchanged
to the bit.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from testbed.sound.rates import MIC_HZ, SPEAKER_HZ

UP_WITHIN_S = 120.0
# Without `norewinds` the first callbacks come 1.5 to 2 s late.
_SINK = "module-null-sink sink_name={} rate={} channels={} norewinds=1 sink_properties=\"device.description='{}'\""
_SOURCE = "module-remap-source source_name={} master={}.monitor source_properties=\"device.description='{}'\""


def _recipe(rate_hz: int = MIC_HZ, channels: int = 1) -> dict[str, str]:
    """The module of each device. `rate_hz`, `channels`: of the microphone."""
    return {
        "speaker": _SINK.format("speaker", SPEAKER_HZ, 1, "Cable Loudspeaker"),
        "mic_cable": _SINK.format("mic_cable", rate_hz, channels, "Cable into the microphone"),
        "mic": _SOURCE.format("mic", "mic_cable", "Cable Microphone"),
    }


class PulseAudio:
    """A server in a folder of its own."""

    name = "PulseAudio"
    exact = True
    """Whether sound at the devices' own rates passes unchanged to the bit."""

    def __init__(self, folder: Path) -> None:
        self._dir = folder
        socket = folder / "native"
        names = {"PULSE_RUNTIME_PATH": "runtime", "PULSE_STATE_PATH": "state", "PULSE_CONFIG_PATH": "config"}
        paths = {name: folder / sub for name, sub in names.items()}
        for path in paths.values():
            path.mkdir(mode=0o700)
        self.changes: Mapping[str, str] = {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_SERVER": f"unix:{socket}",
            "PULSE_COOKIE": str(folder / "cookie"),
            **{name: str(path) for name, path in paths.items()},
        }
        self._modules = [
            f"module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0 socket={socket}",
            *_recipe().values(),
        ]
        self._server: subprocess.Popen[bytes] | None = None

    @staticmethod
    def lacking() -> list[str]:
        """The programs that it needs and this machine lacks."""
        return [] if shutil.which("pulseaudio") else ["pulseaudio"]

    def load_libraries(self) -> None:
        """PulseAudio's clients find their libraries by themselves."""

    def start(self) -> None:
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        options += ["--disallow-exit", "--disable-shm=yes", "--log-level=notice"]
        with (self._dir / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["pulseaudio", *options, *(f"--load={module}" for module in self._modules)],
                env={**os.environ, **self.changes},
                stdout=log,
                stderr=log,
            )
        server = self._server
        wait_until(
            lambda: not self._run("info").returncode,
            lambda: f"no PulseAudio: {(self._dir / 'log').read_text()}",
            running=lambda: server.poll() is None,
        )
        self._set_defaults()

    def plug(self) -> None:
        self._plug(_recipe())

    def reshape(self, *, rate_hz: int, channels: int) -> None:
        """Take the microphone away, and make it anew in another shape."""
        for device in ("mic", "mic_cable"):
            self.unplug(device)
        self._plug(_recipe(rate_hz, channels))

    def _plug(self, recipe: Mapping[str, str]) -> None:
        present = self._run("list", "short", "modules").stdout
        for name, module in recipe.items():
            if f"_name={name}" not in {word for line in present.splitlines() for word in _named(line)}:
                self._load(module)
        self._set_defaults()

    def add_loudspeaker(self, name: str, description: str) -> None:
        self._load(_SINK.format(name, SPEAKER_HZ, 1, description))

    def add_microphone(self, name: str, description: str, *, hears: str) -> None:
        """Add a microphone that hears what is played into the loudspeaker `hears`."""
        self._load(_SOURCE.format(name, hears, description))

    def _load(self, module: str) -> None:
        self._run("load-module", *module.split(" "))

    def unplug(self, device: str) -> None:
        lines = self._run("list", "short", "modules").stdout.splitlines()
        for line in lines:
            if f"_name={device}" in _named(line):
                self._run("unload-module", line.split()[0])

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)

    def restart(self) -> None:
        """End the server in an orderly way, and start it anew."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
        self.start()

    def _set_defaults(self) -> None:
        self._run("set-default-sink", "speaker")
        self._run("set-default-source", "mic")

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **self.changes}
        return subprocess.run(["pactl", *words], env=env, capture_output=True, text=True, check=False)


def _named(line: str) -> set[str]:
    """The names of the devices that a line of pactl's modules is about: '_name=speaker'."""
    return {word.removeprefix("sink").removeprefix("source") for word in line.split() if "_name=" in word}


def wait_until(done: Callable[[], bool], otherwise: Callable[[], str], *, running: Callable[[], bool]) -> None:
    """Wait for a server. Raises RuntimeError if it ends, or is not ready within `UP_WITHIN_S`."""
    deadline = time.monotonic() + UP_WITHIN_S
    while True:
        with suppress(subprocess.TimeoutExpired):
            if done():
                return
        if not running() or time.monotonic() > deadline:
            raise RuntimeError(otherwise())
        time.sleep(0.01)
