"""A private PulseAudio server with a virtual loudspeaker and a virtual microphone cable.

Needs no session, D-Bus or root; several can run at the same time. Sound played into `mic_cable` (16 kHz) comes out of
the microphone `mic`. Sound played to the loudspeaker `speaker` (24 kHz) can be recorded at `speaker.monitor`. Both are
bit-exact at these rates.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from types import TracebackType
from typing import IO, Self

SPEAKER_HZ, MIC_HZ = 24_000, 16_000
_UP_WITHIN_S = 10.0
_RECIPE = (
    # Without `norewinds` the first callbacks come 1.5 to 2 s late.
    f"module-null-sink sink_name=speaker rate={SPEAKER_HZ} channels=1 norewinds=1",
    f"module-null-sink sink_name=mic_cable rate={MIC_HZ} channels=1 norewinds=1",
    "module-remap-source master=mic_cable.monitor source_name=mic",
)


def why_not() -> str | None:
    """The programs and libraries that sound tests need and this machine lacks; None when there are all."""
    missing = [tool for tool in ("pulseaudio", "pactl", "paplay", "parec") if shutil.which(tool) is None]
    if find_library("portaudio") is None:
        missing.append("libportaudio")
    return f"sound tests need {', '.join(missing)}, not installed here" if missing else None


class Cable:
    """One sound server. `env`: the environment for its clients."""

    def __init__(self) -> None:
        self._dir = Path(tempfile.mkdtemp(prefix="cable-"))
        socket = self._dir / "native"
        names = {"PULSE_RUNTIME_PATH": "runtime", "PULSE_STATE_PATH": "state", "PULSE_CONFIG_PATH": "config"}
        paths = {name: self._dir / folder for name, folder in names.items()}
        for path in paths.values():
            path.mkdir(mode=0o700)
        self.changes = {
            "XDG_RUNTIME_DIR": str(self._dir),
            "PULSE_SERVER": f"unix:{socket}",
            "PULSE_COOKIE": str(self._dir / "cookie"),
            **{name: str(path) for name, path in paths.items()},
        }
        """The variables that `env` adds to the environment."""
        self.env = {**os.environ, **self.changes}
        self._modules = [
            f"module-native-protocol-unix auth-anonymous=1 auth-cookie-enabled=0 socket={socket}",
            *_RECIPE,
        ]
        self._server: subprocess.Popen[bytes] | None = None
        self._clients: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.kill()
            client.wait()
        self.kill()
        shutil.rmtree(self._dir, ignore_errors=True)

    def start(self) -> None:
        """Start the server, also again after `kill`; returns when it answers."""
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        options += ["--disallow-exit", "--disable-shm=yes", "--log-level=notice"]
        with (self._dir / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["pulseaudio", *options, *(f"--load={module}" for module in self._modules)],
                env=self.env,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _UP_WITHIN_S
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True, check=False).returncode:
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no sound server: {(self._dir / 'log').read_text()}")
            time.sleep(0.02)
        self._set_defaults()

    def load(self) -> None:
        """Make the virtual devices again, after their modules were unloaded."""
        present = self.pactl("list", "short", "modules")
        for module in _RECIPE:
            if module.split("name=")[1].split()[0] not in present:
                self.pactl("load-module", *module.split())
        self._set_defaults()

    def _set_defaults(self) -> None:
        self.pactl("set-default-sink", "speaker")
        self.pactl("set-default-source", "mic")

    def kill(self) -> None:
        """Kill the server, even while it is stopped by `stop`."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def stop(self) -> None:
        """Send SIGSTOP: the server hangs, and so does every call that waits for it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)

    def pactl(self, *words: str) -> str:
        """Run pactl and return what it prints."""
        return subprocess.run(["pactl", *words], env=self.env, check=True, capture_output=True, text=True).stdout

    def module(self, name: str) -> str:
        """The number of the loaded module whose line holds `name`, for `unload-module`."""
        return next(line.split()[0] for line in self.pactl("list", "short", "modules").splitlines() if name in line)

    def speak(self, pcm: bytes, *, rate_hz: int = MIC_HZ, into: str = "mic_cable") -> subprocess.Popen[bytes]:
        """Play int16 mono into the microphone's cable, in real time."""
        # From a file: when the writer of a pipe has closed it, paplay polls the pipe without a pause.
        with tempfile.TemporaryFile() as file:
            file.write(pcm)
            file.seek(0)
            return self._client("paplay", f"--device={into}", *_raw(rate_hz), stdin=file)

    def speak_file(self, path: Path) -> subprocess.Popen[bytes]:
        """Play a sound file into the microphone's cable."""
        return self._client("paplay", "--device=mic_cable", str(path))

    @contextmanager
    def listening(self, device: str = "speaker.monitor", *, rate_hz: int = SPEAKER_HZ) -> Iterator[Listener]:
        """Record `device` until the block ends; recording has begun when the block is entered."""
        client = self._client(
            "parec", f"--device={device}", "--latency-msec=10", *_raw(rate_hz), stdout=subprocess.PIPE
        )
        listener = Listener(client)
        listener.wait_for(lambda heard: len(heard) > 0)
        try:
            yield listener
        finally:
            client.kill()
            client.wait()
            listener.close()

    def _client(
        self, *words: str, stdin: IO[bytes] | None = None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        client = subprocess.Popen(words, env=self.env, stdin=stdin, stdout=stdout)
        self._clients.append(client)
        return client


class Listener:
    """The recording of a device so far: int16, mono."""

    def __init__(self, client: subprocess.Popen[bytes]) -> None:
        self._client = client
        self._heard = bytearray()
        self._arrivals: list[tuple[int, float]] = []
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def heard(self) -> bytes:
        with self._more:
            return bytes(self._heard)

    @property
    def arrivals(self) -> list[tuple[int, float]]:
        """For each chunk, the number of bytes up to its end and the time of its arrival (`time.monotonic()`)."""
        with self._more:
            return list(self._arrivals)

    def since(self, byte: int) -> bytes:
        """The recording from a byte on; a negative number counts from the end."""
        with self._more:
            return bytes(self._heard[byte:])

    def wait_for(self, enough: Callable[[bytes], bool], *, timeout_s: float = 10.0) -> bytes:
        """Return the recording as soon as it is `enough`. Blocks: in Trio call it in a thread."""
        with self._more:
            if not self._more.wait_for(lambda: enough(bytes(self._heard)), timeout_s):
                raise TimeoutError(f"not heard within {timeout_s} s ({len(self._heard)} bytes were recorded)")
            return bytes(self._heard)

    def when(self, byte: int) -> float:
        """The time (`time.monotonic()`) when a byte arrived, at most 10 ms after it was played."""
        with self._more:
            return next(at for end, at in self._arrivals if end > byte)

    def close(self) -> None:
        self._thread.join()
        assert self._client.stdout is not None
        self._client.stdout.close()

    def _read(self) -> None:
        assert self._client.stdout is not None
        while chunk := os.read(self._client.stdout.fileno(), 65536):
            with self._more:
                self._heard += chunk
                self._arrivals.append((len(self._heard), time.monotonic()))
                self._more.notify_all()


def _raw(rate_hz: int) -> list[str]:
    return ["--raw", "--format=s16le", "--channels=1", f"--rate={rate_hz}"]
