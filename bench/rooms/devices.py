"""A simulated PortAudio in simulated time: calls the program's callbacks when a sound server would, and no earlier.

    loudspeaker   three blocks at the opening, then one each 10 ms, which settle within 9 s: 4 to 8 ms late, then 1 to
                  4 ms early, then in time
    microphone    one block each 20 ms; all later by 14 to 25 ms after the first seconds, and by 4 to 8 ms more each
                  time that the loudspeaker's stream is opened
    both          5 % of the callbacks come late by up to 3 ms, 1 % by 3 to 20 ms

As measured with PulseAudio 16.1 on a machine that did other things too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.rooms.conditions import Condition

_BURST = 3
"""So many blocks are taken at once at an opening: they fill the device's buffer."""
_LEAD_S = 0.024
"""How long before it is due the first block is taken."""
_RATHER_LATE, _VERY_LATE = 0.05, 0.01
_SETTLING_S = (2.0, 8.0)
_SAW_S = 1.7
_INPUT_LATENCY_S = 0.005
UNDERRUN_S = 0.024


class PortAudioError(Exception):
    """Stands in for sounddevice's; never raised."""


@dataclass
class Timing:
    """When callbacks come. All by one generator of random numbers: the same seed, the same times."""

    condition: Condition
    random: np.random.Generator
    now: Callable[[], float]
    input_rate: float = 1.0
    output_rate: float = 1.0
    """How fast the clocks run."""
    later: list[tuple[float, float]] = field(default_factory=list)
    """From when on the microphone's blocks come later, and by how much, in seconds."""

    def __post_init__(self) -> None:
        half = self.condition.drift_ppm / 2e6
        self.input_rate, self.output_rate = 1 - half, 1 + half

    def opened_input(self) -> None:
        if not self.condition.calm:
            self.later.append((self.now() + self.random.uniform(*_SETTLING_S), self.random.uniform(0.014, 0.025)))

    def opened_output(self) -> None:
        if not self.condition.calm:
            self.later.append((self.now(), self.random.uniform(0.004, 0.008)))

    def late_s(self) -> float:
        """By how much one callback is late."""
        if self.condition.calm:
            return 0.0
        share = self.random.random()
        if share < _VERY_LATE:
            return float(self.random.uniform(0.003, 0.020))
        if share < _VERY_LATE + _RATHER_LATE:
            return float(self.random.uniform(0.0005, 0.003))
        return abs(float(self.random.normal(0.0, 0.00008)))

    def settling(self) -> list[tuple[float, float]]:
        """From when on after its opening the loudspeaker's blocks are taken later or earlier, and by how much."""
        if self.condition.calm:
            return []
        early, right = self.random.uniform(1.0, 3.0), self.random.uniform(6.0, 9.0)
        return [(0.0, self.random.uniform(0.004, 0.008)), (early, -self.random.uniform(0.001, 0.004)), (right, 0.0)]

    def input_latency_s(self, at: float) -> float:
        """How long after its last sample a block of the microphone comes."""
        saw = self.condition.saw_ms / 1000 * (2 * (at / _SAW_S % 1) - 1)
        return _INPUT_LATENCY_S + saw + self.condition.saw_ms / 1000 + sum(s for since, s in self.later if at >= since)


class SimulatedStream:
    """One stream: `due` is when its next callback comes, `call` makes it."""

    latency = 0.02

    def __init__(self, library: SimulatedPortAudio, options: dict[str, Any]) -> None:
        self.library = library
        self.frames = options["blocksize"]
        self.rate_hz = options["samplerate"]
        self.callback = options["callback"]
        self.due = float("inf")
        self.number = 0
        """Of the next block."""

    def start(self) -> None:
        self.library.streams.append(self)

    def abort(self) -> None:
        if self in self.library.streams:
            self.library.streams.remove(self)

    def close(self) -> None:
        """Nothing is left to be closed."""

    def call(self) -> None:
        raise NotImplementedError


class OutputStream(SimulatedStream):
    """The loudspeaker's stream. Each block is due at its place in the device's time, and is taken then or later."""

    def start(self) -> None:
        super().start()
        timing = self.library.timing
        timing.opened_output()
        self.block_s = self.frames / self.rate_hz / timing.output_rate
        self.due = self.opened = timing.now()
        self.began = self.opened + _LEAD_S
        """When the first block is due: the others follow it at the device's pace."""
        self._settling = timing.settling()
        self.underrun = False
        self.library.on_begin(self.began, self.rate_hz * timing.output_rate)

    def run_dry(self) -> None:
        """Have the device run dry before the next block: everything after that is played later."""
        self.underrun = True
        self.began += UNDERRUN_S
        self.library.on_begin(self._ideal(self.number), self.rate_hz * self.library.timing.output_rate)
        self.due += 2 * UNDERRUN_S  # the first block comes late, the next ones at once after it

    def call(self) -> None:
        out = bytearray(self.frames * 2)
        self.callback(out, self.frames, None, SimpleNamespace(output_underflow=self.underrun))
        self.underrun = False
        self.library.on_played(bytes(out))
        self.number += 1
        if self.number >= _BURST:
            late_s = self._settled() + self.library.timing.late_s()
            self.due = max(self.due, self._ideal(self.number) + min(late_s, self.library.latest_s))

    def _settled(self) -> float:
        open_s = self.library.timing.now() - self.opened
        return next((offset for since, offset in reversed(self._settling) if open_s >= since), 0.0)

    def _ideal(self, number: int) -> float:
        at: float = self.began + number * self.block_s
        return at


class InputStream(SimulatedStream):
    """The microphone's stream."""

    def start(self) -> None:
        super().start()
        timing = self.library.timing
        timing.opened_input()
        self.began = timing.now()
        self.step_s = 1 / self.rate_hz / timing.input_rate
        self.lost = 0
        self.next_due()

    def lose(self, samples: int) -> None:
        """Have the device lose the next samples: the next block comes later by as much."""
        self.lost += samples
        self.due += samples * self.step_s

    def next_due(self) -> None:
        timing = self.library.timing
        end = self.began + ((self.number + 1) * self.frames + self.lost) * self.step_s
        self.due = max(self.due if self.number else 0.0, end + timing.input_latency_s(end) + timing.late_s())

    def call(self) -> None:
        first = self.number * self.frames + self.lost
        times = self.began + (first + np.arange(self.frames)) * self.step_s
        now = self.library.timing.now()
        data = self.library.on_capture(times)
        wander_s = 0.0 if self.library.timing.condition.calm else float(self.library.timing.random.normal(0.0, 0.002))
        stamps = SimpleNamespace(currentTime=now, inputBufferAdcTime=float(times[0]) + wander_s)
        self.callback(data, self.frames, stamps, SimpleNamespace(input_overflow=False))
        self.number += 1
        self.next_due()


class SimulatedPortAudio:
    """The parts of the module sounddevice that the program uses."""

    PortAudioError = PortAudioError

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.default = SimpleNamespace(device=(0, 0))
        self.streams: list[SimulatedStream] = []
        self.latest_s = 0.020
        """No callback of the loudspeaker is later than this: the device's buffer would run dry."""
        self.on_begin: Callable[[float, float], None]
        self.on_played: Callable[[bytes], None]
        self.on_capture: Callable[[np.ndarray[Any, Any]], bytes]

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "simulated"}]

    def query_devices(self) -> list[dict[str, Any]]:
        shape = {"max_input_channels": 1, "max_output_channels": 1, "default_samplerate": 48_000.0, "hostapi": 0}
        return [{"index": 0, "name": "room", **shape}]

    def RawInputStream(self, **options: Any) -> InputStream:
        return InputStream(self, options)

    def RawOutputStream(self, **options: Any) -> OutputStream:
        return OutputStream(self, options)

    def _terminate(self) -> None:
        """Nothing is kept."""

    def _initialize(self) -> None:
        """Nothing is kept."""

    def next(self) -> SimulatedStream | None:
        """The stream whose callback comes next."""
        return min(self.streams, key=lambda stream: stream.due, default=None)
