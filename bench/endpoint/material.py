"""The material of the endpointing benchmark: recorded prompts with the time of every word, laid out as one session.

The speech and its text are Debian's `asterisk-core-sounds-en-wav` and `asterisk-core-sounds-en`. `word_times.txt` says
when each word begins and ends, in 10 ms: a recogniser with a pronouncing dictionary aligned the texts with the speech
once. Prompts with a word that its dictionary lacked are left out.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np

from voiceloop.audio.wav import read_wav
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

VOICE = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
PACKAGES = "asterisk-core-sounds-en-wav asterisk-core-sounds-en"
BETWEEN_S = 3.0
"""Silence between prompts."""
TIMES = Path(__file__).with_name("word_times.txt")
_TIMES_UNIT = CAPTURE_RATE_HZ // 100
_SHORTEST = 8
"""Words in the shortest prompt that is used: long enough for an inner pause."""
_QUIET_DBFS = -62.0


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; its bounds in samples."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prompt:
    pcm: bytes = field(repr=False)
    words: tuple[Word, ...]
    name: str = ""

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Session:
    """Prompts one after another, each with its first sample in `pcm`."""

    pcm: bytes = field(repr=False)
    prompts: tuple[tuple[int, Prompt], ...]


def prompts(texts: Path, *, shortest: int = _SHORTEST) -> list[Prompt]:
    """All prompts of at least `shortest` words whose words have known times, and whose recording is the one that was
    measured."""
    known = dict(times(TIMES.read_text(encoding="ascii")))
    named = ((name, text) for name, text in _texts(texts, shortest) if name in known)
    return [prompt for name, text in named if (prompt := _timed(name, text, known[name]))]


def times(text: str) -> Iterator[tuple[str, tuple[int, list[tuple[int, int]]]]]:
    """For each line `NAME SAMPLES: START-END START-END …`: the name, the length of the recording, and the times, all in
    samples."""
    for line in text.splitlines():
        head, _, spans = line.partition(": ")
        name, _, length = head.partition(" ")
        pairs = (span.split("-") for span in spans.split())
        unit = _TIMES_UNIT
        yield name, (int(length), [(int(start) * unit, int(end) * unit) for start, end in pairs])


def _texts(path: Path, shortest: int) -> Iterator[tuple[str, str]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            name, _, text = line.strip().partition(": ")
            if "[" not in text and len(text.split()) >= shortest and (VOICE / f"{name}.wav").exists():
                yield name, text


def _timed(name: str, text: str, measured: tuple[int, list[tuple[int, int]]]) -> Prompt | None:
    length, spans = measured
    tokens = text.replace("-", " ").split()
    pcm = read_wav(VOICE / f"{name}.wav").at(CAPTURE_RATE_HZ)
    if len(tokens) != len(spans) or len(pcm) != length * SAMPLE_BYTES:
        return None
    return Prompt(pcm, tuple(Word(token, *span) for token, span in zip(tokens, spans, strict=True)), name)


def hesitating(prompt: Prompt, random: Random, shortest_s: float = 0.3, longest_s: float = 1.0) -> Prompt:
    """The prompt with a pause between two of its words, as long as `shortest_s` to `longest_s`."""
    at = random.randrange(1, len(prompt.words))
    cut = (prompt.words[at - 1].end + prompt.words[at].start) // 2
    pause = round(random.uniform(shortest_s, longest_s) * CAPTURE_RATE_HZ)
    before, after = prompt.pcm[: cut * SAMPLE_BYTES], prompt.pcm[cut * SAMPLE_BYTES :]
    later = [replace(word, start=word.start + pause, end=word.end + pause) for word in prompt.words[at:]]
    return Prompt(before + bytes(pause * SAMPLE_BYTES) + after, (*prompt.words[:at], *later), prompt.name)


def session(spoken: list[Prompt]) -> Session:
    """The prompts one after another, in a quiet room."""
    placed, at, pieces = [], 0, []
    for prompt in spoken:
        between = bytes(round(BETWEEN_S * CAPTURE_RATE_HZ) * SAMPLE_BYTES)
        placed.append((at, prompt))
        pieces += [prompt.pcm, between]
        at += (len(prompt.pcm) + len(between)) // SAMPLE_BYTES
    return Session(in_a_room(b"".join(pieces)), tuple(placed))


def in_a_room(pcm: bytes) -> bytes:
    """The sound with the faint noise of a quiet room."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    hiss = np.random.default_rng(1).standard_normal(len(sound)) * 32768 * 10 ** (_QUIET_DBFS / 20)
    return np.clip(np.rint(sound + hiss), -32768, 32767).astype("<i2").tobytes()
