"""Recorded human voices with known words, from packages: Debian's telephone prompts, and a reading of Dickens."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from voiceloop.audio.wav import read_wav
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

PROMPTS = Path("/usr/share/asterisk/sounds")
TWO_CITIES = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness "
    "it was the epoch of belief it was the epoch of incredulity it was the season of light it was the season of "
    "darkness it was the spring of hope it was the winter of despair"
)
"""The words of the first 23 s of `two_cities`."""


def prompt(name: str) -> Utterance:
    """A prompt of Debian's asterisk-core-sounds-en-wav, at 16 kHz (recorded at 8 kHz). Skips the test without it."""
    for folder in sorted(PROMPTS.glob("en*")):
        if (path := folder / f"{name}.wav").exists():
            return clip_of(path)
    pytest.skip("recorded prompts are missing: apt-get install asterisk-core-sounds-en-wav")


def two_cities(start_s: float = 0.0, end_s: float | None = None) -> Utterance:
    """A part of a reading of "A Tale of Two Cities" (44 s) that the package moonshine-voice holds."""
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the extra 'local' is not installed")
    clip = clip_of(Path(spec.submodule_search_locations[0], "assets", "two_cities.wav"))
    first, last = round(start_s * CAPTURE_RATE_HZ), None if end_s is None else round(end_s * CAPTURE_RATE_HZ)
    return utterance(clip.pcm[first * SAMPLE_BYTES : None if last is None else last * SAMPLE_BYTES])


def clip_of(path: Path) -> Utterance:
    """A WAV as one utterance at 16 kHz."""
    return utterance(read_wav(path).at(CAPTURE_RATE_HZ))


def utterance(pcm: bytes) -> Utterance:
    """int16 mono samples at 16 kHz as one utterance."""
    return Utterance(pcm, 0, len(pcm) // SAMPLE_BYTES)


def words(text: str) -> list[str]:
    """The words of a text, without case and punctuation."""
    plain = "".join(char if char.isalnum() or char == "'" else " " for char in text.lower())
    return plain.split()
