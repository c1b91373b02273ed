"""A room with the installed program: a sound server, a loopback service with fixed times, recordings of both cables.

Speaks prompts into the microphone's cable and notes when. The recordings are measured afterwards.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.turns.material import Reply, Spoken, write_recordings
from bench.turns.measures import Sound, Track
from testbed.running import Running, running
from testbed.serving import KEY, Serving, serving
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable, Listener

SERVICE = (
    *("--transcribe-ms", "300", "--first-token-ms", "300", "--token-ms", "20"),
    *("--speak-ms", "200", "--pace", "4", "--odd-pieces", "--bodies"),
)
SILENCE_S = 0.3
_LOUD = 300
_TURN_S = 20.0


class Quiet(Exception):
    """An expected sound or silence did not come in time, or the program has ended."""


@dataclass(frozen=True, slots=True)
class Uttered:
    """A prompt and when it was handed to the sound server."""

    spoken: Spoken
    at: float


@dataclass
class Room:
    """The running program, its service, and the recordings. `said`: the prompts spoken so far."""

    cable: Cable
    server: Serving
    loop: Running
    mic: Listener
    speaker: Listener
    said: list[Uttered] = field(default_factory=list)

    def say(self, spoken: Spoken) -> Uttered:
        """Begin to speak a prompt; returns at once."""
        uttered = Uttered(spoken, time.monotonic())
        self.said.append(uttered)
        self.cable.speak(spoken.pcm)
        return uttered

    def wait_for_sound(self, *, for_s: float = 0.05, timeout_s: float = _TURN_S) -> None:
        """Wait until the loudspeaker has played something within the last `for_s`."""
        self._wait(lambda: _loud(self._latest(for_s)), "no reply was heard", timeout_s)

    def wait_for_silence(self, for_s: float, *, timeout_s: float = _TURN_S) -> None:
        """Wait until the loudspeaker has been silent for `for_s`."""
        self._wait(lambda: not _loud(self._latest(for_s)), "the reply did not end", timeout_s)

    def answered(self, spoken: Spoken, *, timeout_s: float = _TURN_S) -> Uttered:
        """Speak a prompt, and wait for the reply to begin and to end."""
        uttered = self.say(spoken)
        time.sleep(spoken.seconds + 0.1)
        self.wait_for_sound(timeout_s=timeout_s)
        self.wait_for_silence(SILENCE_S, timeout_s=timeout_s)
        return uttered

    def tracks(self) -> tuple[Track, Track]:
        """The recordings of the microphone and of the loudspeaker."""
        return _track(self.mic, MIC_HZ), _track(self.speaker, SPEAKER_HZ)

    def turns(self) -> list[tuple[Uttered, float]]:
        """Each prompt, with the time of the next one or of the recording's end."""
        ends = [uttered.at for uttered in self.said[1:]] + [self.speaker.arrivals[-1][1]]
        return list(zip(self.said, ends, strict=True))

    @property
    def echo(self) -> str:
        """The echo mode that the program reports."""
        return str(self.loop.named("listening")[0].fields["echo"])

    def _latest(self, seconds: float) -> Sound:
        pcm = self.speaker.since(-2 * round(seconds * SPEAKER_HZ))
        return np.frombuffer(pcm, "<i2").astype(np.float64)

    def _wait(self, condition: Callable[[], bool], otherwise: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.loop.process.poll() is not None:
                raise Quiet(f"the program has ended: {self.loop.errors[-3:]}")
            if time.monotonic() > deadline:
                raise Quiet(f"{otherwise} within {timeout_s:g} s: {[e.fields for e in self.loop.events[-5:]]}")
            time.sleep(0.02)


@contextmanager
def open_room(
    prompts: Sequence[Spoken], replies: Sequence[Reply], *, sets: Sequence[str] = (), service: Sequence[str] = ()
) -> Iterator[Room]:
    """Run the assistant until the block ends. The service knows the words of `prompts` and gives `replies` in turn."""
    with tempfile.TemporaryDirectory() as folder, Cable() as cable:
        recordings = Path(folder) / "recordings"
        write_recordings(recordings, [*(one for reply in replies for one in reply.sentences), *prompts])
        words = [*SERVICE, *service, "--recordings", str(recordings)]
        for number in range(100):  # enough for any run: the service would repeat the last one
            words += ["--reply", replies[number % len(replies)].words]
        with (
            serving(*words) as server,
            running(*_config(server, sets), env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop,
            cable.listening("mic_cable.monitor", rate_hz=MIC_HZ) as mic,
            cable.listening() as speaker,
        ):
            loop.wait_for("ready")
            loop.wait_for("listening")
            yield Room(cable, server, loop, mic, speaker)
            loop.end()


def _config(server: Serving, sets: Sequence[str]) -> list[str]:
    words = ["--config", "assistant"]
    for setting in (f"openrouter.base_url={server.url}", *sets):
        words += ["--set", setting]
    return words


def _track(listener: Listener, rate_hz: int) -> Track:
    arrivals = listener.arrivals
    return Track(np.frombuffer(listener.since(0), "<i2").astype(np.float64), rate_hz, arrivals)


def _loud(sound: Sound) -> bool:
    return bool((np.abs(sound) > _LOUD).any())
