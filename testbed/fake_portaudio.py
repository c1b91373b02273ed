"""A fake of the parts of sounddevice that voiceloop uses. Plays and records nothing."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

from voiceloop.audio.wake import Wake


class Refused(Exception):
    """Stands in for PortAudio's error: text and code."""


class FakeStream:
    def __init__(self, library: FakePortAudio, options: dict[str, Any]) -> None:
        self.library, self.options, self.latency = library, options, 0.02

    def start(self) -> None:
        self.library.done.append("start")
        self.library.started.release()

    def abort(self) -> None:
        self.library.before_abort()
        self.library.done.append("abort")

    def close(self) -> None:
        self.library.done.append("close")
        self.library.closed.release()


class FakePortAudio:
    """A fake sounddevice that records its calls in `done`. `refuse` is called before each stream opens, and may
    raise; `before_abort` before each abort, and may block."""

    PortAudioError = Refused

    def __init__(self) -> None:
        self.done: list[str] = []
        self.started, self.closed = threading.Semaphore(0), threading.Semaphore(0)
        self.tried: list[tuple[int, int]] = []
        self.environment: dict[str, str | None] = {}
        self.refuse: Any = lambda rate_hz, channels: None
        self.before_abort: Any = lambda: None
        self.default = SimpleNamespace(device=(0, 0))
        self.names = ["pulse"]

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        shape = {"max_input_channels": 6, "max_output_channels": 2, "default_samplerate": 48_000.0, "hostapi": 0}
        return [{"index": index, "name": name, **shape} for index, name in enumerate(self.names)]

    def _open(self, **options: Any) -> FakeStream:
        self.environment["PULSE_SOURCE"] = os.environ.get("PULSE_SOURCE")
        self.tried.append((options["samplerate"], options["channels"]))
        self.refuse(options["samplerate"], options["channels"])
        return FakeStream(self, options)

    RawInputStream = RawOutputStream = _open

    def _terminate(self) -> None:
        self.done.append("terminate")

    def _initialize(self) -> None:
        self.done.append("initialize")


class Silent(Wake):
    """A `Wake` that does nothing and needs no event loop."""

    def __init__(self) -> None:
        pass

    def set(self) -> None:
        pass
