"""A private sound server with a virtual loudspeaker and a virtual microphone cable.

Needs no session, D-Bus or root; several can run at the same time. Sound played into `mic_cable` comes out of the
microphone `mic`. Sound played to the loudspeaker `speaker` can be recorded at `speaker.monitor`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from testbed.sound.comparing import Comparing, Exact, Resampled
from testbed.sound.pipewire import PipeWire
from testbed.sound.pulseaudio import PulseAudio
from testbed.sound.rates import MIC_HZ, SPEAKER_HZ

__all__ = ["MIC_HZ", "SPEAKER_HZ", "Cable", "Listener", "PipeWire", "PulseAudio", "why_not"]

DEVICES = ("mic", "mic_cable", "speaker")
PATIENCE_S = 120.0
"""How long to wait for what is heard at once, unless the machine is busy."""
_CHUNK_S = 0.010
"""A recording arrives in chunks of this length."""


class Server(Protocol):
    """A sound server with the cable's devices."""

    name: str
    exact: bool

    @property
    def changes(self) -> Mapping[str, str]: ...
    def load_libraries(self) -> None: ...
    def start(self) -> None: ...
    def plug(self) -> None: ...
    def unplug(self, device: str) -> None: ...
    def reshape(self, *, rate_hz: int, channels: int) -> None: ...
    def add_loudspeaker(self, name: str, description: str) -> None: ...
    def add_microphone(self, name: str, description: str, *, hears: str) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...
    def signal(self, number: signal.Signals) -> None: ...


Kind = type[PulseAudio] | type[PipeWire]


def chosen() -> Kind:
    """The server of the benchmarks: PulseAudio, or what the variable CABLE says ("pipewire")."""
    kinds: dict[str, Kind] = {"pulseaudio": PulseAudio, "pipewire": PipeWire}
    return kinds[os.environ.get("CABLE", "pulseaudio")]


def why_not(kind: Kind | None = None) -> str | None:
    """The programs and libraries that sound tests need and this machine lacks; None when there are all."""
    kind = kind or chosen()
    missing = [*kind.lacking(), *(tool for tool in ("pactl", "paplay", "parec") if shutil.which(tool) is None)]
    if find_library("portaudio") is None:
        missing.append("libportaudio")
    return f"sound tests need {', '.join(missing)}, not installed here" if missing else None


class Cable:
    """One sound server. `env`: the environment for its clients."""

    def __init__(self, kind: Callable[[Path], Server] | None = None) -> None:
        self._dir = Path(tempfile.mkdtemp(prefix="cable-"))
        self.server = (kind or chosen())(self._dir)
        self.changes = self.server.changes
        """The variables that `env` adds to the environment."""
        self.compare: Comparing = Exact() if self.server.exact else Resampled()
        self.env = {**os.environ, **self.changes}
        self._clients: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for client in self._clients:
            client.kill()
            client.wait()
        self.kill()
        shutil.rmtree(self._dir, ignore_errors=True)

    def start(self) -> None:
        """Start the server, also again after `kill`; returns when its devices are there."""
        self.server.start()

    def plug(self) -> None:
        """Make the virtual devices again that were unplugged."""
        self.server.plug()

    def unplug(self, *devices: str) -> None:
        """Take virtual devices away; all of them if none is named."""
        for device in devices or DEVICES:
            self.server.unplug(device)

    def reshape(self, *, rate_hz: int, channels: int) -> None:
        """Make the microphone anew with another rate and other channels, as a headset does that changes its profile."""
        self.server.reshape(rate_hz=rate_hz, channels=channels)

    def add_loudspeaker(self, name: str, description: str) -> None:
        """Add a loudspeaker that isn't the default, with the name that desktops show."""
        self.server.add_loudspeaker(name, description)

    def add_microphone(self, name: str, description: str, *, hears: str = "mic_cable") -> None:
        """Add a microphone that isn't the default. It hears what is played into the loudspeaker `hears`."""
        self.server.add_microphone(name, description, hears=hears)

    def kill(self) -> None:
        """Kill the server, even while it is stopped by `stop`."""
        self.server.kill()

    def restart(self) -> None:
        """End the server in an orderly way and start it anew, as a service manager does."""
        self.server.restart()

    def stop(self) -> None:
        """Send SIGSTOP: the server hangs, and so does every call that waits for it."""
        self.server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.server.signal(signal.SIGCONT)

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
            "parec",
            f"--device={device}",
            f"--latency-msec={_CHUNK_S * 1000:.0f}",
            *_raw(rate_hz),
            stdout=subprocess.PIPE,
        )
        listener = Listener(client, rate_hz)
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

    def __init__(self, client: subprocess.Popen[bytes], rate_hz: int) -> None:
        self._client, self._bytes_per_s = client, 2 * rate_hz
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

    def wait_for(self, enough: Callable[[bytes], bool], *, timeout_s: float = PATIENCE_S) -> bytes:
        """Return the recording as soon as it is `enough`. Blocks: in Trio call it in a thread."""
        with self._more:
            if not self._more.wait_for(lambda: enough(bytes(self._heard)), timeout_s):
                raise TimeoutError(f"not heard within {timeout_s} s ({len(self._heard)} bytes were recorded)")
            return bytes(self._heard)

    def when(self, byte: int) -> float:
        """The time (`time.monotonic()`) when a byte arrived, some 10 ms after it was played.

        On a busy machine single chunks are read late. So it is judged from the earliest within half a second.
        """
        with self._more:
            near = [(end, at) for end, at in self._arrivals if abs(end - byte) < self._bytes_per_s / 2]
        return min(at - end / self._bytes_per_s for end, at in near) + byte / self._bytes_per_s + _CHUNK_S / 2

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
