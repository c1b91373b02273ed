"""The material of the VAD benchmark: recorded prompts laid out with silence between them, in noise of several kinds.

The speech is Debian's `asterisk-core-sounds-en-wav` (8 kHz) and `alsa-utils` (48 kHz); the noise is synthetic, so
that the material is the same on every machine. Levels are dB below full scale (RMS of the active part).
"""

from __future__ import annotations

import re
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

Sound = npt.NDArray[np.float64]
"""Mono, 16 kHz, full scale is 1."""

RATE_HZ = 16_000
BLOCK = 160
FOLDERS = (Path("/usr/share/asterisk/sounds"), Path("/usr/share/sounds/alsa"))
PACKAGES = "asterisk-core-sounds-en-wav and alsa-utils"
_NOT_SPEECH = re.compile(r"beep|tone|silence|monkeys|Noise|confbridge-(join|leave)\.wav")
_LABEL_DB = -35.0
"""Speech is every 10 ms whose level, relative to the prompt's loudest 10 ms, is above this."""
_SPEECH_DB = -26.0
_QUIET_SPEECH_DB = -46.0
_LONGEST_INNER_PAUSE_S = 0.5
"""A prompt that pauses longer may rightly be split at a hangover of 600 ms, so it is left out."""


@dataclass(frozen=True)
class Prompt:
    """A recording with the bounds of its speech, by energy, in samples."""

    name: str
    sound: Sound
    onset: int
    end: int
    word: bool
    """A single word or a short phrase: under 0.8 s."""


@dataclass(frozen=True)
class Scene:
    """One condition's audio: int16 PCM, and where in it (samples) each prompt's speech begins and ends."""

    name: str
    pcm: bytes = field(repr=False)
    spoken: tuple[tuple[int, int], ...]
    words: tuple[bool, ...] = ()
    quiet_room: bool = False
    """Has no speech, and is as quiet as a room usually is. The idle cost is measured here."""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE_HZ


def load_prompts(count: int, rng: np.random.Generator) -> list[Prompt]:
    """`count` prompts, half of them single words. The same generator state gives the same prompts."""
    paths = sorted(path for folder in FOLDERS for path in folder.rglob("*.wav") if not _NOT_SPEECH.search(str(path)))
    found: dict[bool, list[Prompt]] = {True: [], False: []}
    for index in rng.permutation(len(paths)):
        prompt = _read(paths[index])
        if prompt is not None and len(found[prompt.word]) < count // 2:
            found[prompt.word].append(prompt)
    alsa = [prompt for path in paths if "alsa" in str(path) and (prompt := _read(path))]
    prompts = [*found[True], *found[False][: -len(alsa)], *alsa]
    return [prompts[index] for index in rng.permutation(len(prompts))]


def _read(path: Path) -> Prompt | None:
    with wave.open(str(path)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        sound = soxr.resample(raw, file.getframerate(), RATE_HZ)
    loud = _levels(sound)
    runs = _runs(loud > loud.max() + _LABEL_DB) if len(loud) else []
    if not runs or runs[-1][1] - runs[0][0] > 1_200 or sum(b - a for a, b in runs) < 20:
        return None
    if any(after[0] - before[1] > _LONGEST_INNER_PAUSE_S * 100 for before, after in pairwise(runs)):
        return None
    onset, end = runs[0][0] * BLOCK, runs[-1][1] * BLOCK
    return Prompt(path.stem, sound, onset, end, word=end - onset < 0.8 * RATE_HZ)


def _levels(sound: Sound) -> Sound:
    """The RMS level of each 10 ms, in dB."""
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return np.asarray(10 * np.log10((blocks**2).mean(axis=1) + 1e-12))


def _runs(voiced: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The voiced stretches of at least 30 ms: their first block and the block after their last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], voiced.astype(int), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a >= 3]


def _at_level(sound: Sound, db: float, *, active: bool = False) -> Sound:
    """The sound scaled to an RMS level of `db`. `active`: only its loud part counts, as is usual for speech levels."""
    levels = _levels(sound)
    if active:
        levels = levels[levels > levels.max() + _LABEL_DB]
    power = 10 * np.log10(np.mean(10 ** (levels / 10)) + 1e-20)
    return np.asarray(sound * 10 ** ((db - power) / 20))


def white(samples: int, rng: np.random.Generator) -> Sound:
    return rng.standard_normal(samples)


def pink(samples: int, rng: np.random.Generator) -> Sound:
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20 * samples / RATE_HZ))
    return np.fft.irfft(spectrum, samples)


def hum(samples: int, rng: np.random.Generator) -> Sound:
    """Mains at 50 Hz with its harmonics, and a little hiss."""
    t = np.arange(samples) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3, 4, 6, 8, 12))
    return np.asarray(tones + 0.02 * rng.standard_normal(samples))


def babble(samples: int, rng: np.random.Generator, *, talkers: int = 8) -> Sound:
    """The voices of a crowd: several talkers at once, each without pause."""
    voices = [prompt.sound[prompt.onset : prompt.end] for prompt in load_prompts(48, rng) if not prompt.word]
    mixed = np.zeros(samples)
    for _ in range(talkers):
        order = rng.permutation(len(voices))
        speech = np.concatenate([_at_level(voices[i], _SPEECH_DB, active=True) for i in order])
        mixed += np.resize(np.roll(speech, rng.integers(len(speech))), samples)
    return mixed


def clicks(samples: int, rng: np.random.Generator, *, pause_s: float) -> Sound:
    """Typing: two short bursts for each key (down, up), with pauses of about `pause_s` between runs of keys."""
    sound = np.zeros(samples)
    at = 0.0
    while True:
        at += rng.exponential(pause_s) if rng.random() < 0.15 else rng.uniform(0.09, 0.3)
        for late, loud in ((0.0, 1.0), (rng.uniform(0.05, 0.09), 0.5)):
            burst = (
                rng.standard_normal(480) * np.exp(-np.arange(480) / rng.uniform(30, 110)) * loud * rng.uniform(0.4, 1)
            )
            start = int((at + late) * RATE_HZ)
            if start + 480 > samples:
                return sound
            sound[start : start + 480] += burst


def office(samples: int, rng: np.random.Generator) -> Sound:
    """Typing, distant talk, a fan."""
    parts = (
        (clicks(samples, rng, pause_s=3.0), -1.0),
        (babble(samples, rng, talkers=5), -10.0),
        (pink(samples, rng), -6.0),
    )
    return np.asarray(sum(_at_level(sound, db) for sound, db in parts))


def typing(samples: int, rng: np.random.Generator) -> Sound:
    """Typing in an otherwise quiet room."""
    return _at_level(clicks(samples, rng, pause_s=4.0), 0) + _at_level(white(samples, rng), -20)


Noise = Callable[[int, np.random.Generator], Sound]


@dataclass(frozen=True)
class Condition:
    name: str
    noise: Noise
    noise_db: float
    speech_db: float = _SPEECH_DB
    quiet_room: bool = False
    """The noise alone sounds like a quiet room."""


CONDITIONS: Sequence[Condition] = (
    Condition("clean", white, -76, quiet_room=True),
    Condition("quiet microphone", white, -76, speech_db=_QUIET_SPEECH_DB),
    Condition("quiet microphone, pink 15 dB", pink, _QUIET_SPEECH_DB - 15, speech_db=_QUIET_SPEECH_DB),
    Condition("hiss 30 dB", white, _SPEECH_DB - 30, quiet_room=True),
    Condition("white 10 dB", white, _SPEECH_DB - 10),
    Condition("pink 30 dB", pink, _SPEECH_DB - 30, quiet_room=True),
    Condition("pink 10 dB", pink, _SPEECH_DB - 10),
    Condition("hum 25 dB", hum, _SPEECH_DB - 25, quiet_room=True),
    Condition("hum 10 dB", hum, _SPEECH_DB - 10),
    Condition("typing 25 dB", typing, _SPEECH_DB - 25),
    Condition("office 20 dB", office, _SPEECH_DB - 20),
    Condition("office 10 dB", office, _SPEECH_DB - 10),
    Condition("babble 15 dB", babble, _SPEECH_DB - 15),
)


def make_scenes(*, prompts: int, noise_s: float, seed: int) -> Iterator[Scene]:
    """For each condition, one scene with the prompts in its noise and one with its noise alone."""
    recorded = load_prompts(prompts, np.random.default_rng(seed))
    for number, condition in enumerate(CONDITIONS):
        rng = partial(np.random.default_rng, [seed, number])
        yield _with_speech(condition, recorded, rng())
        noise = _at_level(condition.noise(int(noise_s * RATE_HZ), rng()), condition.noise_db)
        yield Scene(condition.name, _pcm(noise), (), quiet_room=condition.quiet_room)


def one_by_one(scene: Scene) -> Iterator[Scene]:
    """Each prompt of a scene by itself, with two seconds of its noise before it and after it."""
    around = 2 * RATE_HZ
    for (onset, end), word in zip(scene.spoken, scene.words, strict=True):
        start = max(0, onset - around)
        pcm = scene.pcm[start * 2 : (end + around) * 2]
        yield Scene(scene.name, pcm, ((onset - start, end - start),), (word,))


def _with_speech(condition: Condition, prompts: Sequence[Prompt], rng: np.random.Generator) -> Scene:
    at = 3 * RATE_HZ
    starts = []
    for prompt in prompts:
        starts.append(at - prompt.onset)
        at += prompt.end - prompt.onset + int(rng.uniform(2.6, 3.4) * RATE_HZ)
    mixed = _at_level(condition.noise(at, rng), condition.noise_db)
    for prompt, start in zip(prompts, starts, strict=True):
        speech = _at_level(prompt.sound, condition.speech_db, active=True)[: at - start]
        mixed[start : start + len(speech)] += speech
    spoken = tuple((start + prompt.onset, start + prompt.end) for prompt, start in zip(prompts, starts, strict=True))
    return Scene(condition.name, _pcm(mixed), spoken, tuple(prompt.word for prompt in prompts))


def _pcm(sound: Sound) -> bytes:
    return np.clip(np.round(sound * 32768), -32768, 32767).astype("<i2").tobytes()
