"""Counts what is wrong with a text: other words, missing words, additional words, and which of these repeat. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from voiceloop.captions.words import letters


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Counts of words. `said`: all words that were said; `wrong`: other, missing and additional ones together."""

    said: int
    wrong: int
    missing: int
    """Words without any word in their place."""
    repeated: int
    """Additional words that stand right beside the same words."""

    @property
    def share(self) -> float:
        return self.wrong / max(1, self.said)

    def __add__(self, other: Mistakes) -> Mistakes:
        return Mistakes(
            self.said + other.said,
            self.wrong + other.wrong,
            self.missing + other.missing,
            self.repeated + other.repeated,
        )


def mistakes(said: Sequence[str], heard: Sequence[str]) -> Mistakes:
    """Compare a text with what was said, without case and punctuation."""
    truth, found = ([key for word in words if (key := letters(word))] for words in (said, heard))
    wrong = missing = repeated = 0
    for tag, a, b, c, d in SequenceMatcher(None, truth, found, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        wrong += max(b - a, d - c)
        missing += max(0, (b - a) - (d - c))
        if tag == "insert" and found[c:d] in (found[max(0, 2 * c - d) : c], found[d : 2 * d - c]):
            repeated += d - c
    return Mistakes(len(truth), wrong, missing, repeated)
