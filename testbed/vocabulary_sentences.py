"""Sentences as a recogniser heard them, with and without terms (tests/transcribe/vocabulary/README.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "tests" / "transcribe" / "vocabulary"
SETS = ("development", "held_out")
VOICES = ("hibari", "joe", "slt", "rms", "awb", "kal")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with a term. `heard`: what a recogniser made of it, by voice."""

    term: str
    spoken: str
    text: str
    heard: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ordinary:
    """A sentence without a term. `text`: what was said; for a recording, its file."""

    set: str
    voice: str
    text: str
    heard: str


def sentences(name: str) -> list[Sentence]:
    """The sentences of a set: `development` or `held_out`."""
    found = []
    for term, spoken, text, *heard in _rows(f"{name}.tsv"):
        found.append(Sentence(term, spoken, text, dict(zip(VOICES, heard, strict=True))))
    return found


def ordinary() -> list[Ordinary]:
    return [Ordinary(*row) for row in _rows("ordinary.tsv")]


def _rows(name: str) -> Iterator[list[str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return (line.split("\t") for line in lines[1:])
