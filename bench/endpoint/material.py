"""The material of the endpointing benchmark: recorded prompts with the time of every word, laid out as one session.

The speech and its text are Debian's `asterisk-core-sounds-en-wav` and `asterisk-core-sounds-en`. Pocketsphinx aligns
the text with the speech, which gives the times of the words. Prompts with a word that its dictionary lacks are left
out.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from voiceloop.audio.wav import read_wav
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

VOICE = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
PACKAGES = "asterisk-core-sounds-en-wav asterisk-core-sounds-en"
BETWEEN_S = 3.0
"""Silence between prompts."""
_ALIGNER_FRAME = CAPTURE_RATE_HZ // 100
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
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

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Session:
    """Prompts one after another, each with its first sample in `pcm`."""

    pcm: bytes = field(repr=False)
    prompts: tuple[tuple[int, Prompt], ...]


def prompts(texts: Path) -> list[Prompt]:
    """All prompts that can be aligned with their text."""
    from pocketsphinx import Decoder  # type: ignore[attr-defined]

    decoder = Decoder(lm=None, samprate=CAPTURE_RATE_HZ, loglevel="FATAL")
    return [prompt for name, text in _texts(texts) if (prompt := _aligned(decoder, name, text))]


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    with gzip.open(path, "rt") as lines:
        for line in lines:
            name, _, text = line.strip().partition(": ")
            if "[" not in text and len(text.split()) >= _SHORTEST and (VOICE / f"{name}.wav").exists():
                yield name, text


def _aligned(decoder: Any, name: str, text: str) -> Prompt | None:
    tokens = text.replace("-", " ").split()
    spoken = [_spoken_words(token) for token in tokens]
    if not all(spoken) or any(decoder.lookup_word(word) is None for words in spoken for word in words):
        return None
    pcm = read_wav(VOICE / f"{name}.wav").at(CAPTURE_RATE_HZ)
    decoder.set_align_text(" ".join(word for words in spoken for word in words))
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    found = [(s.start_frame, s.end_frame + 1) for s in decoder.seg() or () if not s.word.startswith(("<", "["))]
    if len(found) != sum(map(len, spoken)):
        return None
    words, at = [], 0
    for token, parts in zip(tokens, spoken, strict=True):
        start, end = found[at][0], found[at + len(parts) - 1][1]
        words.append(Word(token, start * _ALIGNER_FRAME, end * _ALIGNER_FRAME))
        at += len(parts)
    return Prompt(pcm, tuple(words))


def _spoken_words(token: str) -> list[str]:
    spelt = re.sub(r"\d", lambda digit: f" {_DIGITS[int(digit[0])]} ", token.lower())
    return [word for part in spelt.split() if (word := part.strip('.,;:!?"()'))]


def hesitating(prompt: Prompt, random: Random, shortest_s: float = 0.3, longest_s: float = 1.0) -> Prompt:
    """The prompt with a pause between two of its words, as long as `shortest_s` to `longest_s`."""
    at = random.randrange(1, len(prompt.words))
    cut = (prompt.words[at - 1].end + prompt.words[at].start) // 2
    pause = round(random.uniform(shortest_s, longest_s) * CAPTURE_RATE_HZ)
    before, after = prompt.pcm[: cut * SAMPLE_BYTES], prompt.pcm[cut * SAMPLE_BYTES :]
    later = [replace(word, start=word.start + pause, end=word.end + pause) for word in prompt.words[at:]]
    return Prompt(before + bytes(pause * SAMPLE_BYTES) + after, (*prompt.words[:at], *later))


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
