"""The world around the program: simulated time, the person, the loudspeaker's sound in the room, the microphone's.

Time is Trio's mock clock and, in this process, also `time.monotonic`. It goes on from callback to callback, when
nothing in the program is left to be done. What the program does in threads is done at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bench.rooms.acoustics import Loudspeaker, Room, echo_gain, impulse_response
from bench.rooms.conditions import Condition
from bench.rooms.devices import InputStream, OutputStream, SimulatedPortAudio, Timing
from bench.rooms.voices import PERSON_DBFS, SPEAKER_HZ, Pair, Sound
from voiceloop.audio import portaudio
from voiceloop.audio.sound_server import Answer
from voiceloop.types import CAPTURE_RATE_HZ

_OPENING_S = 0.006
"""By how much the delay may differ from one opening of the loudspeaker to the next."""
_HEARD = 320
"""So many samples of an utterance must be in a clip: 20 ms."""


@dataclass
class Said:
    """An utterance of the person: from when on it is at the microphone, and which of its samples it is in."""

    sound: Sound
    at: float
    number: int
    first: int | None = None
    end: int = 0

    @property
    def over(self) -> float:
        return self.at + len(self.sound) / CAPTURE_RATE_HZ


class World:
    """One room with its devices. `pair`: the voices."""

    def __init__(self, condition: Condition, pair: Pair, seed: int) -> None:
        self.condition, self.clock = condition, MockClock()
        self.random = np.random.default_rng(seed)
        response = impulse_response(condition.rt60_s, self.random)
        self._speaker, self._room = Loudspeaker(condition.clipping_db), Room(response, CAPTURE_RATE_HZ // 50)
        dbfs = PERSON_DBFS + condition.echo_db
        self._gain = echo_gain(pair.replies[0], SPEAKER_HZ, response, clipping_db=condition.clipping_db, dbfs=dbfs)
        self._noise = 10 ** (condition.noise_dbfs / 20)
        self.delay_s = condition.delay_ms / 1000
        self._opening_s = 0.0
        self.said: list[Said] = []
        self.sounded: list[float] = []
        """When the loudspeaker's device took anything but silence."""
        self.echoes: list[Sound] = []
        """What the echo alone is at the microphone, block by block."""
        self.captured_at: list[float] = []
        """When the first sample of each block was."""
        self._captured = 0
        self.timing = Timing(condition, self.random, self.clock.current_time)
        self.library = SimulatedPortAudio(self.timing)
        self.library.latest_s = min(0.020, self.delay_s - 0.001)
        self.library.on_begin, self.library.on_played = self._begin, self._played
        self.library.on_capture = self._capture

    @property
    def last_sound(self) -> float:
        """When the loudspeaker's device last took anything but silence."""
        return self.sounded[-1] if self.sounded else float("-inf")

    def say(self, sound: Sound, number: int) -> Said:
        """Begin to speak: at the microphone in 10 ms."""
        said = Said(sound, self.clock.current_time() + 0.01, number)
        self.said.append(said)
        return said

    def spoken(self, start: int, end: int) -> int | None:
        """The number of the latest utterance of the person that is in those samples of the microphone."""
        for said in reversed(self.said):
            if said.first is not None and min(end, said.end) - max(start, said.first) >= _HEARD:
                return said.number
        return None

    def lose(self, lost_ms: int) -> None:
        """Have the microphone lose some samples now."""
        for stream in self.library.streams:
            if isinstance(stream, InputStream):
                stream.lose(lost_ms * CAPTURE_RATE_HZ // 1000)

    def run_dry(self) -> None:
        """Have the loudspeaker run dry now."""
        for stream in self.library.streams:
            if isinstance(stream, OutputStream):
                stream.run_dry()

    async def play(self) -> None:
        """Let time go on, for as long as the program has streams open or waits for something."""
        while True:
            await wait_all_tasks_blocked()
            stream = self.library.next()
            now = self.clock.current_time()
            if stream is None:
                self.clock.jump(0.01)
                continue
            self.clock.jump(max(0.0, stream.due - now))
            if stream in self.library.streams:
                stream.call()

    def _begin(self, at: float, rate_hz: float) -> None:
        if not self.condition.calm:
            self._opening_s = float(self.random.uniform(0.0, _OPENING_S))
        self._speaker.begin(at, rate_hz)

    def _played(self, pcm: bytes) -> None:
        if pcm.count(0) != len(pcm):
            self.sounded.append(self.clock.current_time())
        self._speaker.play(pcm)

    def _capture(self, times: Sound) -> bytes:
        echo = self._gain * self._room.feed(self._speaker.heard(times - self.delay_s - self._opening_s))
        self.echoes.append(echo)
        self.captured_at.append(float(times[0]))
        sound = echo + self._noise * self.random.standard_normal(len(times))
        for said in self.said:
            first = round((times[0] - said.at) * CAPTURE_RATE_HZ)
            low, high = max(0, -first), min(len(times), len(said.sound) - first)
            if low < high:
                sound[low:high] += said.sound[first + low : first + high]
                said.first = self._captured + low if said.first is None else said.first
                said.end = self._captured + high
        self._captured += len(times)
        return np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2").tobytes()


async def _at_once(call: Callable[..., Any], *words: Any, **_: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return call(*words)


@contextmanager
def inside(world: World) -> Iterator[None]:
    """The program's clock, sound devices and threads are the world's while the block runs."""
    host = portaudio.HOST
    with (
        patch.object(time, "monotonic", world.clock.current_time),
        patch.object(trio.to_thread, "run_sync", _at_once),
        patch.object(portaudio, "_cards", lambda: b""),
        patch.multiple(host, _load=lambda: world.library, _ask_server=Answer, on_server=False, _sd=None),
    ):
        yield
