"""What is read to the recognisers: recordings of people, each with the words that are said in it; and what voices read.

    prompts     Debian's asterisk-core-sounds-en-wav: one voice, 8 kHz; their texts: asterisk-core-sounds-en
    positions   Debian's alsa-utils: one voice, 48 kHz, two words each
    readings    two recordings in the package moonshine-voice: Dickens (48 kHz) and Beckett (16 kHz)

Every one is prepared speech. There is no unprepared speech that may be kept here.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.endpoint.material import VOICE
from bench.vad.material import RATE_HZ, Sound
from voiceloop.audio.wav import read_wav
from voiceloop.transcribe.embedded.places import package_folder

POSITIONS = Path("/usr/share/sounds/alsa")
SENTENCE_WORDS = 4
"""A prompt with fewer words is a word or a phrase without context."""
_LEFT_OUT = ("[", "<", "(")
"""Texts with these are remarks: "[ascending tones]"."""
_MISPRINTS = {
    "represenatives": "representatives", "indentified": "identified", "witheld": "withheld", "umute": "unmute",
    "fourtieth": "fortieth", "exclaimation": "exclamation",
}  # fmt: skip
"""Misprints in the texts of the prompts."""
_READINGS = {
    "beckett": "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
    "two_cities": """It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
    foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the
    season of Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had
    nothing before us, we were all going direct to Heaven, we were all going direct the other way - in short, the
    period was so far like the present period, that some of its noisiest authorities insisted on its being received,
    for good or for evil, in the superlative degree of comparison only.""",
}
SENTENCES = (
    "The bus leaves at nine.",
    "I will call you back later.",
    "Please close the window behind you.",
    "What would you like to eat tonight?",
    "Here is the answer to your question.",
    "The library is closed on public holidays.",
    "Half of the seats were empty when we arrived.",
    "Stir the soup slowly until the butter has melted.",
    "Tomorrow will be cloudy, with some rain in the evening.",
    "She found her keys under the newspaper in the kitchen.",
    "Fresh bread is sold at the corner, right beside the station.",
    "The old bridge was built of stone and stands to this day.",
    "Three people are waiting outside, and one of them has a dog.",
    "First heat the oven, then mix the flour with a little warm water.",
    "How far is it from the harbor to the nearest railway station?",
    "The meeting was moved to Thursday because two people were ill.",
    "Nobody could say how long the power would be off in the village.",
    "Some birds fly thousands of miles each autumn to find a warmer place.",
    "He wrote a short letter to his brother and sent it the same evening.",
    "You can turn the lamp off yourself, or wait until it turns off after an hour.",
    "The doctor said that a walk in the park would help more than any other medicine.",
    "When the snow melts in spring, the river rises and covers the path along the meadow.",
    "If you want to save the changes, press the green button at the top; if not, just close the lid again and wait.",
    "We saw a small boat far out on the lake, and behind it the mountains, still white with the last snow of the year.",
)
"""What the synthesizers read: 23 to 113 characters, usual words, no numerals."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Recorded speech (mono, 16 kHz, full scale 1) and its words."""

    name: str
    sound: Sound = field(repr=False)
    text: str

    @property
    def seconds(self) -> float:
        return len(self.sound) / RATE_HZ


def prompts(texts: Path) -> list[Clip]:
    """All prompts that say words, in the order of their texts."""
    clips = []
    with gzip.open(texts, "rt", encoding="latin-1") as lines:
        for line in lines:
            name, _, text = line.strip().partition(": ")
            path = VOICE / f"{name}.wav"
            if path.is_file() and any(map(str.isalnum, text)) and not any(mark in text for mark in _LEFT_OUT):
                clips.append(Clip(name, _sound(path), _corrected(text)))
    return clips


def positions() -> list[Clip]:
    """The names of loudspeakers' positions: "front left"."""
    return [Clip(path.stem, _sound(path), path.stem.replace("_", " ")) for path in sorted(POSITIONS.glob("*_*.wav"))]


def readings() -> list[Clip]:
    """Read literature; empty if moonshine-voice is not installed."""
    folder = package_folder("moonshine_voice", "assets")
    found = [(folder / f"{name}.wav", text) for name, text in _READINGS.items()] if folder else []
    return [Clip(path.stem, _sound(path), " ".join(text.split())) for path, text in found if path.is_file()]


def of_length(clips: Sequence[Clip], seconds: float, count: int) -> list[Sound]:
    """`count` sounds of `seconds`, each of some of the clips one after another, cut off at its end. Each begins with
    another clip, because engines may remember what they have heard."""
    order = random.Random(round(seconds * 1_000)).sample(clips, len(clips))
    starts = range(0, len(clips), max(1, len(clips) // count))[:count]
    return [_joined([*order[start:], *order[:start]], round(seconds * RATE_HZ)) for start in starts]


def _joined(clips: Sequence[Clip], samples: int) -> Sound:
    parts, length = [], 0
    for clip in clips:
        parts.append(clip.sound)
        length += len(clip.sound)
        if length >= samples:
            return np.concatenate(parts)[:samples]
    raise ValueError(f"all recordings together have {length} samples only, not {samples}")


def _corrected(text: str) -> str:
    for wrong, right in _MISPRINTS.items():
        text = text.replace(wrong, right).replace(wrong.capitalize(), right.capitalize())
    return text


def _sound(path: Path) -> Sound:
    return np.frombuffer(read_wav(path).at(RATE_HZ), "<i2") / 32768
