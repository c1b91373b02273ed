"""An index of terms by their sound: finds the terms that a few heard words may have been. Pure; English only.

How far the sounds may be apart depends on the words. Ordinary words were probably meant as they are; words that nobody
knows were probably made up by a recogniser for a word that it doesn't know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from voiceloop.transcribe.phonetics.function_words import is_function_word
from voiceloop.transcribe.phonetics.pronouncing import Form, forms, is_ordinary, said, said_as
from voiceloop.transcribe.phonetics.sound_distance import distance, skeleton, skeleton_keys, weight

MOST_SOUNDS = 80
"""The longest term that is looked for by its sound."""
MOST_LONGER = 3
"""Sounds by which a term and what was heard may differ in length."""
OTHER_ONSET = 0.08
"""Added to the badness of a match that begins with another consonant: the beginning of a word is seldom misheard."""
LONGEST_ABBREVIATION = 5
"""Letters."""
_SHORT = 3.0
"""Weight of a pronunciation below which only small distances count: there are many words near to it."""
_SHORT_FACTOR = 0.6
_LONG = 5.0
"""Weight above which the distance may be larger, by `_LONG_MORE` for each unit and at most `_LONG_MOST`."""
_LONG_MORE = 0.02
_LONG_MOST = 0.06


class Evidence(Enum):
    """What kind of words were heard, with the largest distance from a term, as a share of the term's weight. The shares
    were chosen on the development set of `tests/transcribe/vocabulary`, and checked with the other set."""

    ORDINARY = 0.05
    """One ordinary word."""
    ORDINARY_PHRASE = 0.1
    """Ordinary words that begin or end with a word like `the`: people say that."""
    ORDINARY_PAIR = 0.13
    """Other ordinary words."""
    ABBREVIATION = 0.12
    """Single letters and capitals alone."""
    LETTERS = 0.16
    """Ordinary words and single letters."""
    MIXED_PHRASE = 0.17
    """Ordinary words and others that begin or end with a word like `the`."""
    MIXED = 0.22
    """Ordinary words and others."""
    STRANGE = 0.25
    """Words that are not among the common ones."""


_PHRASES = (Evidence.ORDINARY, Evidence.ORDINARY_PHRASE, Evidence.ORDINARY_PAIR)


@dataclass(frozen=True, slots=True)
class Near:
    """A term that was perhaps said. `badness`: the distance of the sounds as a share of the term's weight."""

    written: str
    badness: float


@dataclass(frozen=True, slots=True)
class _Entry:
    written: str
    form: Form
    weight: float
    skeleton: str


class SoundIndex:
    """Pronunciations of terms, found by skeletons of consonants. `longest`: the number of sounds that can match.

    Terms of more than `MOST_SOUNDS` are not held: who says that much is not misheard as one word, and looking for them
    costs more than the words are worth. They are found by their letters.
    """

    def __init__(self) -> None:
        self.longest = 0
        self._entries: dict[str, list[_Entry]] = {}

    def add(self, written: str, spoken: str | None) -> None:
        """Add a term, said as `spoken` is, or else as its spelling suggests."""
        for form in [said_as(spoken)] if spoken else forms(written):
            if not 0 < len(form.sounds) <= MOST_SOUNDS:
                continue
            entry = _Entry(written, form, weight(form.sounds), skeleton(form.sounds))
            self.longest = max(self.longest, len(form.sounds) + MOST_LONGER)
            for key in skeleton_keys(entry.skeleton, deep=True):
                self._entries.setdefault(key, []).append(entry)

    def said(self, word: str) -> str:
        """The pronunciation of a word as a recogniser wrote it."""
        return said(word)

    def nearest(self, words: Sequence[str], sounds: str, *, spare: float = 0.0) -> Near | None:
        """The term whose sound is nearest to `sounds`, those of `words`, if one is nearer than the limit by more than
        `spare`."""
        bones, onset = skeleton(sounds), skeleton(sounds[:1])
        candidates = self._candidates(sounds, bones)
        if not candidates:
            return None
        evidence = evidence_of(words)
        found = []
        for entry in candidates:
            malus = spare + OTHER_ONSET * (skeleton(entry.form.sounds[:1]) != onset)
            share = _limit(evidence, entry) - malus
            cost = distance(entry.form.sounds, sounds, share * entry.weight) if share >= 0 else None
            if cost is not None:
                found.append(Near(entry.written, cost / entry.weight + malus))
        return min(found, key=lambda near: (near.badness, near.written), default=None)

    def _candidates(self, sounds: str, bones: str) -> list[_Entry]:
        shortest, longest = len(sounds) - MOST_LONGER, len(sounds) + MOST_LONGER
        lists = [self._entries[key] for key in skeleton_keys(bones) if key in self._entries]
        entries = {id(entry): entry for entries in lists for entry in entries}
        return [entry for entry in entries.values() if shortest <= len(entry.form.sounds) <= longest]


def evidence_of(words: Sequence[str]) -> Evidence:
    """What kind of words these are."""
    if all(_is_letter(word) or (word.isupper() and len(word) <= LONGEST_ABBREVIATION) for word in words):
        return Evidence.ABBREVIATION
    letters = sum(_is_letter(word) for word in words)
    strange = sum(not is_ordinary(word) for word in words) - letters
    if strange and strange + letters == len(words):
        return Evidence.STRANGE
    phrase = is_function_word(words[0]) or is_function_word(words[-1])
    if strange:
        return Evidence.MIXED_PHRASE if phrase else Evidence.MIXED
    if letters:
        return Evidence.LETTERS
    if len(words) == 1:
        return Evidence.ORDINARY
    return Evidence.ORDINARY_PHRASE if phrase else Evidence.ORDINARY_PAIR


def _is_letter(word: str) -> bool:
    """Whether a word is the name of a letter: not the words a and I."""
    return len(word) == 1 and word not in "aAI"


def _limit(evidence: Evidence, entry: _Entry) -> float:
    """The largest badness for an entry; below 0 if none will do."""
    if entry.form.spelled and evidence in _PHRASES:
        return -1.0
    share = evidence.value
    if entry.weight < _SHORT:
        return share * _SHORT_FACTOR
    if evidence in _PHRASES:
        return share
    return share + min(_LONG_MOST, max(0.0, entry.weight - _LONG) * _LONG_MORE)
