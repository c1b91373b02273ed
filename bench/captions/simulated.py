"""A simulated room for `captions --source both`: a film on the loudspeaker, a person at the microphone, two clocks.

    film --> monitor stream -----------------------------> far end
         --> loudspeaker --> room --> + <-- person, noise
                                      microphone stream --> canceller --> VAD --> segmenter --> gate --> captions

Blocks are delivered as PulseAudio delivers them: late by fits and starts, and later for good some seconds after the
opening. All of the program that is pure runs as it does in a session; nothing is recognised. Deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.rooms.acoustics import Loudspeaker, Room, impulse_response
from bench.rooms.voices import Sound, active_dbfs
from voiceloop.captions.echo_gate import EchoGate
from voiceloop.capture.bridge import Block
from voiceloop.capture.clock import CaptureClock
from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.framing import Framer
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent
from voiceloop.config.tables import Segment
from voiceloop.echo.canceller import Canceller, Processor
from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.linear import LinearCanceller
from voiceloop.echo.waiting_cleaner import WaitingCleaner
from voiceloop.plugins import Vad
from voiceloop.types import CAPTURE_RATE_HZ, GapReason

FILM_HZ = 24_000
PERSON_DBFS, NOISE_DBFS = -24.0, -66.0
_BLOCK = CAPTURE_RATE_HZ // 50


@dataclass(frozen=True, slots=True)
class Acoustics:
    """The echo's level relative to the person's (None: headphones), and how the streams behave."""

    echo_db: float | None = -12.0
    delay_ms: float = 60.0
    rt60_s: float = 0.3
    drift_ppm: float = 30.0
    """How much faster the loudspeaker's clock, and so the monitor's, is than the microphone's."""
    clipping_db: float = -6.0
    monitor_late_ms: float = 5.0
    """How long after its last sample a block of the monitor comes; of the microphone: 5 ms."""
    volume_db: tuple[tuple[float, float], ...] = ()
    """From when on (seconds) the echo is louder than `echo_db`, and by how much."""
    monitor_loses: tuple[tuple[float, float], ...] = ()
    """When the monitor loses samples without telling, and for how long, in seconds."""
    microphone_loses: tuple[tuple[float, float], ...] = ()
    monitor_reopens: tuple[tuple[float, float], ...] = ()
    """When the monitor's stream ends, and how long it takes until it is open again, in seconds."""


@dataclass(slots=True)
class Outcome:
    """What reached the captioner: `utterances` as (start, end) in samples, and what was dropped by the gate."""

    utterances: list[tuple[int, int]] = field(default_factory=list)
    clips: list[bytes] = field(default_factory=list)
    published: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def on(self, event: SpeechEvent) -> None:
        if isinstance(event, SpeechEnded):
            self.utterances.append((event.utterance.start, event.utterance.voiced_end))
            self.clips.append(event.utterance.pcm)

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Do nothing."""

    def publish(self, name: str, /, **fields: object) -> None:
        self.published.append((name, dict(fields)))

    def copies(self, said: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The utterances in which the person, who spoke in `said`, is not."""
        return [one for one in self.utterances if not _overlap(one, said) >= _HEARD]

    def lost(self, said: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """What the person said and less than 7 tenths of which is in the utterances."""
        return [one for one in said if _overlap(one, self.utterances) < 0.7 * (one[1] - one[0])]


_HEARD = CAPTURE_RATE_HZ // 10


def _overlap(one: tuple[int, int], others: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, min(one[1], end) - max(one[0], start)) for start, end in others)


def heard(film: Sound, person: Sound, acoustics: Acoustics, *, seed: int = 1) -> Sound:
    """The microphone's sound. `film`: at 24 kHz; `person`: at 16 kHz, as long as the session, at its level."""
    random = np.random.default_rng(seed)
    sound = person + 10 ** (NOISE_DBFS / 20) * random.standard_normal(len(person))
    if acoustics.echo_db is None:
        return sound
    response = impulse_response(acoustics.rt60_s, random)
    loudspeaker, room = Loudspeaker(acoustics.clipping_db), Room(response, _BLOCK)
    loudspeaker.begin(0.0, FILM_HZ * (1 + acoustics.drift_ppm / 1e6))
    step = FILM_HZ // 50
    echo, played = np.zeros(len(person)), 0
    for at in range(0, len(person) - _BLOCK + 1, _BLOCK):
        times = (at + np.arange(_BLOCK)) / CAPTURE_RATE_HZ
        while played < len(film) and played < (times[-1] + 0.1) * FILM_HZ:
            loudspeaker.play(np.rint(film[played : played + step] * 32767).astype("<i2").tobytes())
            played += step
        echo[at : at + _BLOCK] = room.feed(loudspeaker.heard(times - acoustics.delay_ms / 1000))
    wanted = PERSON_DBFS + acoustics.echo_db
    echo *= 10 ** ((wanted - active_dbfs(echo, CAPTURE_RATE_HZ)) / 20)
    for since, louder in acoustics.volume_db:
        echo[round(since * CAPTURE_RATE_HZ) :] *= 10 ** (louder / 20)
    return sound + echo


def _late(random: np.random.Generator, base_s: float) -> Callable[[float], float]:
    """How late a block is that ends at a time. The times are those of PulseAudio 16.1 (`bench/rooms/devices.py`)."""
    since, later = random.uniform(2.0, 8.0), random.uniform(0.014, 0.025)

    def late(at: float) -> float:
        share = random.random()
        fits = random.uniform(0.003, 0.020) if share < 0.01 else random.uniform(0.0005, 0.003) if share < 0.06 else 0.0
        return base_s + fits + (later if at >= since else 0.0)

    return late


def _blocks(
    sound: Sound, rate: float, late: Callable[[float], float], loses: Sequence[tuple[float, float]]
) -> Iterator[Block]:
    """The blocks of a stream at `rate` samples a second of true time, as they arrive."""
    pcm = np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2")
    start, arrived = 0, 0.0
    losses = sorted(loses)
    at = 0
    while at + _BLOCK <= len(pcm):
        if losses and at / rate >= losses[0][0]:
            at += round(losses.pop(0)[1] * rate)
            continue
        end = (at + _BLOCK) / rate
        arrived = max(arrived, end + late(end))
        yield Block(pcm[at : at + _BLOCK].tobytes(), start, _BLOCK, arrived, 0.0)
        start += _BLOCK
        at += _BLOCK


def session(  # noqa: PLR0913 - a scene and the parts that hear it
    film: Sound,
    microphone: Sound,
    acoustics: Acoustics,
    *,
    vad: Vad,
    processor: Processor,
    segment: Segment,
    seed: int = 1,
) -> Outcome:
    """Let the pure parts of the program hear a scene. `film`: what the monitor delivers, at 16 kHz."""
    random = np.random.default_rng(seed)
    rate = CAPTURE_RATE_HZ * (1 + acoustics.drift_ppm / 1e6)
    monitor = _blocks(film, rate, _late(random, acoustics.monitor_late_ms / 1000), acoustics.monitor_loses)
    blocks = _blocks(microphone, CAPTURE_RATE_HZ, _late(random, 0.005), acoustics.microphone_loses)
    outcome = Outcome()
    clock, far_clock = CaptureClock(CAPTURE_RATE_HZ), CaptureClock(CAPTURE_RATE_HZ)
    framer, far_framer = Framer(clock), Framer(far_clock)
    framer.restart(rate_hz=CAPTURE_RATE_HZ, channels=1)
    far_framer.restart(rate_hz=CAPTURE_RATE_HZ, channels=1)
    far = CapturedFarEnd(far_clock.counted)
    canceller = Canceller(processor, FarEnd(far), clock.counted, judges_residual=isinstance(processor, LinearCanceller))
    cleaner = WaitingCleaner(canceller, far, clock.counted)
    gate = EchoGate("mic", outcome, cleaner, outcome.publish)
    never_muted = HalfDuplexMute(lambda: False, lambda: 0.0, 0.0, half_duplex=False)
    listener = Listener(vad, Segmenter.of(segment), gate, never_muted, watch=gate, cleaner=cleaner)
    closed = list(acoustics.monitor_reopens)
    shift = 0
    for name, block in sorted(
        [*(("speaker", block) for block in monitor), *(("mic", block) for block in blocks)],
        key=lambda one: one[1].arrived,
    ):
        if name == "mic":
            for item in framer.take(block):
                listener._clean(item)
            continue
        if closed and block.arrived >= closed[0][0]:
            if block.arrived < sum(closed[0]):
                continue
            closed.pop(0)
            for item in far_framer.flush(GapReason.LOST):
                far.add(item)
            far_framer.restart(rate_hz=CAPTURE_RATE_HZ, channels=1)
            shift = block.start
        for item in far_framer.take(block._replace(start=block.start - shift)):
            far.add(item)
    listener.end()
    return outcome
