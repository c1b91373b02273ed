"""Noises of a room with a person in it who says nothing, each synthesised from a seed; and minutes made of them.

People: coughs, throat clearing, sneezes, sniffs, breath, lip smacks. Things: keys, mouse clicks, knocks, a door, a
squeaking chair, a bell. Steady: mains hum, hiss, a fan, an office. A voiced noise is a train of glottal pulses through
the resonances of a vocal tract, because that is what a VAD takes for speech.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.vad.material import RATE_HZ, Sound, clicks, hum, office, pink, white

_VOWELS = ((660, 1720, 2410), (730, 1090, 2440), (530, 1840, 2480), (570, 840, 2410), (490, 1350, 1690))
"""Formants (Hz) of the vowels of "had", "hod", "head", "hawed", "heard" (Peterson and Barney, 1952)."""

Event = Callable[[np.random.Generator], Sound]
"""Makes one noise, full scale 1, of any length."""


def _seconds(seconds: float) -> int:
    return max(1, round(seconds * RATE_HZ))


def _envelope(samples: int, *, attack_s: float, decay_s: float) -> Sound:
    """A fast rise and an exponential fall."""
    t = np.arange(samples) / RATE_HZ
    return np.minimum(t / attack_s, 1) * np.exp(-np.maximum(t - attack_s, 0) / decay_s)


def _swell(samples: int) -> Sound:
    """A slow rise and fall: half a sine."""
    return np.sin(np.pi * np.arange(samples) / samples)


def _shaped(sound: Sound, peaks: tuple[float, ...], *, width_hz: float, floor: float = 0.02) -> Sound:
    """The sound through resonances at `peaks` (Hz), each weaker than the one before."""
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    gain = np.full(len(hz), floor)
    for number, peak in enumerate(peaks):
        gain += 0.7**number / (1 + ((hz - peak) / (width_hz / 2)) ** 2)
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound))


def _tract(rng: np.random.Generator) -> tuple[float, ...]:
    """The formants of one vowel of one person."""
    size = rng.uniform(0.9, 1.2)
    return tuple(size * hz for hz in _VOWELS[rng.integers(len(_VOWELS))])


def _glottis(samples: int, rng: np.random.Generator, *, pitch_hz: float, jitter: float) -> Sound:
    """Glottal pulses whose pitch falls by a fifth; `jitter` is the spread of the periods, as a share of them."""
    sound = np.zeros(samples)
    at = 0.0
    while at < samples:
        sound[int(at)] = rng.uniform(0.7, 1)
        pitch = pitch_hz * (1 - 0.2 * at / samples)
        at += RATE_HZ / pitch * max(0.3, 1 + jitter * rng.standard_normal())
    falling = np.exp(-np.arange(_seconds(0.004)) / (0.0006 * RATE_HZ))
    return np.convolve(sound, falling)[:samples]


def _at_rms(sound: Sound, dbfs: float) -> Sound:
    return sound * 10 ** (dbfs / 20) / max(float(np.sqrt(np.mean(sound**2))), 1e-9)


def _pcm(sound: Sound) -> bytes:
    return np.clip(np.round(sound * 32768), -32768, 32767).astype("<i2").tobytes()


def _joined(*parts: Sound) -> Sound:
    return np.concatenate(parts)


def _normal(sound: Sound) -> Sound:
    return sound / max(float(np.abs(sound).max()), 1e-9)


def cough(rng: np.random.Generator) -> Sound:
    """One to three coughs: a burst, breath through an open tract, and mostly a voiced end (Korpáš and others, 1996)."""
    parts = []
    tract, pitch = _tract(rng), rng.uniform(180, 420)
    for _ in range(rng.integers(1, 4)):
        burst = rng.standard_normal(_seconds(rng.uniform(0.03, 0.07)))
        burst *= _envelope(len(burst), attack_s=0.003, decay_s=0.03)
        breath = _shaped(rng.standard_normal(_seconds(rng.uniform(0.1, 0.25))), tract, width_hz=400)
        breath = _normal(breath) * np.linspace(0.6, 0.2, len(breath))
        voiced = _glottis(_seconds(rng.uniform(0.05, 0.18)), rng, pitch_hz=pitch, jitter=0.08)
        voiced = _normal(_shaped(voiced, tract, width_hz=150)) * _swell(len(voiced)) * rng.choice([0.0, 0.5, 0.9])
        parts += [_normal(burst), breath, voiced, np.zeros(_seconds(rng.uniform(0.05, 0.35)))]
    return _joined(*parts)


def hem(rng: np.random.Generator) -> Sound:
    """A throat cleared, once or twice: rough and low."""
    parts = []
    tract, pitch = _tract(rng), rng.uniform(75, 160)
    for _ in range(rng.integers(1, 3)):
        samples = _seconds(rng.uniform(0.2, 0.5))
        voiced = _normal(_shaped(_glottis(samples, rng, pitch_hz=pitch, jitter=0.25), tract, width_hz=250))
        rough = _normal(_shaped(rng.standard_normal(samples), tract, width_hz=500))
        parts += [(voiced + 0.4 * rough) * _swell(samples) ** 0.5, np.zeros(_seconds(rng.uniform(0.04, 0.15)))]
    return _joined(*parts)


def sneeze(rng: np.random.Generator) -> Sound:
    """Air drawn in with some voice, then a long hiss."""
    tract = _tract(rng)
    drawn = _shaped(
        _glottis(_seconds(rng.uniform(0.15, 0.4)), rng, pitch_hz=rng.uniform(200, 350), jitter=0.03),
        tract,
        width_hz=120,
    )
    hiss = _shaped(rng.standard_normal(_seconds(rng.uniform(0.2, 0.5))), (2500, 4500), width_hz=2500)
    hiss = _normal(hiss) * _envelope(len(hiss), attack_s=0.02, decay_s=0.15)
    return _joined(0.35 * _normal(drawn) * _swell(len(drawn)), np.zeros(_seconds(0.05)), hiss)


def breath(rng: np.random.Generator) -> Sound:
    """In and out, near the microphone."""
    parts = []
    for seconds, peaks in ((rng.uniform(0.5, 1.2), (900, 2200)), (rng.uniform(0.7, 1.8), (500, 1500))):
        air = _normal(_shaped(rng.standard_normal(_seconds(seconds)), peaks, width_hz=1200))
        parts += [air * _swell(len(air)) ** 1.5, np.zeros(_seconds(rng.uniform(0.1, 0.5)))]
    return _joined(*parts)


def sniff(rng: np.random.Generator) -> Sound:
    air = _shaped(rng.standard_normal(_seconds(rng.uniform(0.15, 0.35))), (1500, 3500), width_hz=2000)
    return _normal(air) * _swell(len(air))


def sigh(rng: np.random.Generator) -> Sound:
    """Breath with a little voice in it."""
    samples, tract = _seconds(rng.uniform(0.5, 1.2)), _tract(rng)
    air = _normal(_shaped(rng.standard_normal(samples), tract, width_hz=600))
    voiced = _normal(_shaped(_glottis(samples, rng, pitch_hz=rng.uniform(100, 220), jitter=0.02), tract, width_hz=120))
    return (air + rng.uniform(0.1, 0.6) * voiced) * _envelope(samples, attack_s=0.1, decay_s=0.3)


def smack(rng: np.random.Generator) -> Sound:
    """Lips."""
    click = rng.standard_normal(_seconds(0.03)) * _envelope(_seconds(0.03), attack_s=0.001, decay_s=0.006)
    return _normal(_shaped(click, (1200, 3000), width_hz=900))


def keys(rng: np.random.Generator) -> Sound:
    """A few words typed."""
    return _normal(clicks(_seconds(rng.uniform(1, 4)), rng, pause_s=1.0))


def mouse(rng: np.random.Generator) -> Sound:
    parts = []
    for _ in range(rng.integers(1, 3)):
        click = rng.standard_normal(_seconds(0.012)) * _envelope(_seconds(0.012), attack_s=0.0005, decay_s=0.002)
        parts += [_normal(click), np.zeros(_seconds(rng.uniform(0.06, 0.12)))]
    return _joined(*parts)


def knock(rng: np.random.Generator) -> Sound:
    """Knuckles on wood, or a cup put down."""
    parts = []
    hz = rng.uniform(150, 500)
    for _ in range(rng.integers(1, 5)):
        hit = rng.standard_normal(_seconds(0.15)) * _envelope(_seconds(0.15), attack_s=0.001, decay_s=0.02)
        parts += [
            _normal(_shaped(hit, (hz, 2.6 * hz, 5 * hz), width_hz=80)),
            np.zeros(_seconds(rng.uniform(0.05, 0.2))),
        ]
    return _joined(*parts)


def door(rng: np.random.Generator) -> Sound:
    """A door falls shut."""
    samples = _seconds(0.7)
    slam = _shaped(rng.standard_normal(samples), (70, 160, 400), width_hz=120) * _envelope(
        samples, attack_s=0.004, decay_s=0.12
    )
    latch = rng.standard_normal(samples) * _envelope(samples, attack_s=0.001, decay_s=0.01)
    return _normal(_normal(slam) + 0.4 * latch)


def squeak(rng: np.random.Generator) -> Sound:
    """A chair or a hinge: a gliding tone with overtones."""
    samples = _seconds(rng.uniform(0.2, 0.9))
    hz = np.linspace(rng.uniform(250, 900), rng.uniform(250, 1400), samples) * (
        1 + 0.03 * np.sin(np.arange(samples) / 300)
    )
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    return _normal(sum(np.sin(k * phase) / k for k in range(1, 6)) * _swell(samples))


def bell(rng: np.random.Generator) -> Sound:
    """A telephone's or a computer's tones."""
    parts = []
    for hz in rng.choice([440.0, 523.3, 659.3, 784.0, 880.0, 1046.5], rng.integers(1, 5)):
        t = np.arange(_seconds(rng.uniform(0.15, 0.5))) / RATE_HZ
        parts.append((np.sin(2 * np.pi * hz * t) + 0.3 * np.sin(4 * np.pi * hz * t)) * np.exp(-t / 0.2))
    return _normal(_joined(*parts))


def music(rng: np.random.Generator) -> Sound:
    """A few bars from the next room: chords that change, with vibrato."""
    parts = []
    for root in rng.choice([110.0, 130.8, 146.8, 164.8, 196.0], rng.integers(4, 9)):
        t = np.arange(_seconds(rng.uniform(0.3, 0.8))) / RATE_HZ
        chord = sum(
            np.sin(2 * np.pi * root * step * k * t + 0.02 * k * np.sin(2 * np.pi * 5.5 * t)) / k
            for step in (1, 1.26, 1.5)
            for k in range(1, 8)
        )
        parts.append(chord * np.minimum(t / 0.02, 1) * np.exp(-t / 0.6))
    return _normal(_joined(*parts))


def fan(samples: int, rng: np.random.Generator) -> Sound:
    """Rushing air and the tone of the blades."""
    t = np.arange(samples) / RATE_HZ
    blades = np.sum([np.sin(2 * np.pi * 87 * k * t + rng.uniform(0, 6)) / k for k in range(1, 5)], axis=0)
    return np.asarray(_at_rms(pink(samples, rng), 0) + _at_rms(blades, -8))


EVENTS: Mapping[str, Event] = {
    "coughs": cough, "throat": hem, "sneezes": sneeze, "breath": breath, "sniffs": sniff, "sighs": sigh, "lips": smack,
    "keys": keys, "mouse": mouse, "knocks": knock, "door": door, "squeaks": squeak, "bells": bell, "music": music,
}  # fmt: skip
STEADY: Mapping[str, Callable[[int, np.random.Generator], Sound]] = {
    "hum": hum, "hiss": white, "fan": fan, "office": office,
}  # fmt: skip


@dataclass(frozen=True)
class Stretch:
    """Some seconds of one kind of noise: int16, mono, 16 kHz."""

    name: str
    pcm: bytes = field(repr=False)

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ


def events(name: str, seconds: float, rng: np.random.Generator) -> Stretch:
    """Noises of one kind, one after another, at levels from a whisper's to a shout's, in a quiet room."""
    samples = _seconds(seconds)
    sound = _at_rms(pink(samples, rng), rng.uniform(-75, -60))
    at = _seconds(rng.uniform(0.5, 1.5))
    while at < samples:
        one = EVENTS[name](rng) * 10 ** (rng.uniform(-35, -3) / 20)
        end = min(samples, at + len(one))
        sound[at:end] += one[: end - at]
        at = end + _seconds(rng.uniform(0.4, 2.5))
    return Stretch(name, _pcm(sound))


def steady(name: str, seconds: float, rng: np.random.Generator) -> Stretch:
    """A steady noise that becomes louder and quieter in steps of a few seconds, as when things are switched on."""
    samples = _seconds(seconds)
    sound = _at_rms(STEADY[name](samples, rng), 0)
    steps = np.repeat(rng.uniform(-60, -22, samples // (4 * RATE_HZ) + 1), 4 * RATE_HZ)[:samples]
    smooth = np.convolve(np.pad(steps, 800, mode="edge"), np.ones(1601) / 1601, "valid")
    return Stretch(name, _pcm(sound * 10 ** (smooth / 20)))


def stretches(seconds: float, seed: int) -> list[Stretch]:
    """Every kind of noise for an equal part of `seconds`."""
    each = seconds / (len(EVENTS) + len(STEADY))
    numbered = enumerate([*EVENTS, *STEADY])
    rngs = {name: np.random.default_rng([seed, number]) for number, name in numbered}
    made = [events(name, each, rngs[name]) for name in EVENTS]
    return made + [steady(name, each, rngs[name]) for name in STEADY]
