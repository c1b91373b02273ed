"""The distance between two pronunciations: an edit distance that knows which sounds are easily taken for each other.
Pure; knows no words and no language's spelling.

A pronunciation is a string with one character for each sound, the characters of `VOWELS` and `CONSONANTS`.
"""

from __future__ import annotations

import re
from itertools import combinations

VOWELS = "AaxOWYeEIioVUu"
"""In ARPAbet: AA AE AH AO AW AY EH EY IH IY OW OY UH UW. ER is `xr`."""
CONSONANTS = "bCdDfghJklmnNprsStTvwyzZ"
"""In ARPAbet: B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH."""

_CLASSES = {"P": "pbfv", "T": "tdTD", "S": "sSzZCJ", "K": "kg", "M": "mnN", "L": "l", "R": "r"}
_CLASS = str.maketrans(
    dict.fromkeys(VOWELS + "hwy", "") | {sound: name for name, sounds in _CLASSES.items() for sound in sounds}
)
_DOUBLE = re.compile(r"(.)\1+")
_LONG_SKELETON, _LONGEST_SKELETON = 6, 32
"""Consonants from which on a skeleton may lack two of them."""

_NEAR = {
    0.15: "Ii eI OA xA xI xe xa xU ux Uu ox xO ae zs",
    0.25: "Oo nN Ee DT dD vf ZJ dt tT",
    0.35: "Aa ea eI aE iE EI iY YI bp gk JC SC SZ sT sS fT wu yi yI mn CJ xi xE Yx DT vD zZ",
    0.5: "lr wl rw vb pt pk tk kt dg bd gJ dJ tC Jy lo lu lO rx Yi WA Wa Wo Oa AY hf vw zD Ts",
}
"""Costs of taking one sound for another, in either direction. All other vowels cost `_OTHER_VOWEL`, others 1."""
_OTHER_VOWEL = 0.5
_STRANGE = 1.2
"""A vowel for a consonant."""
_LOST = {"h": 0.4, "x": 0.3, "I": 0.4, "y": 0.4, "w": 0.5, "r": 0.6, "d": 0.6, "t": 0.6, "D": 0.6, "l": 0.8, "n": 0.8}
"""Costs of a sound that only one of the two has. All other vowels cost `_LOST_VOWEL`, others 1."""
_LOST_VOWEL = 0.5


def _cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    for cost, pairs in _NEAR.items():
        if one + other in pairs.split() or other + one in pairs.split():
            return cost
    if (one in VOWELS) != (other in VOWELS):
        return _STRANGE
    return _OTHER_VOWEL if one in VOWELS else 1.0


_SOUNDS = VOWELS + CONSONANTS
_REPLACED = {one: {other: _cost(one, other) for other in _SOUNDS} for one in _SOUNDS}
_MISSING = {sound: _LOST.get(sound, _LOST_VOWEL if sound in VOWELS else 1.0) for sound in _SOUNDS}


def weight(sounds: str) -> float:
    """What it costs to lose all of `sounds`: the measure of a pronunciation's length."""
    return sum(_MISSING[sound] for sound in sounds)


def distance(one: str, other: str, limit: float) -> float | None:
    """The cost of turning one pronunciation into the other; None as soon as it is certain to exceed `limit`."""
    # No min() in the inner loop: it takes twice as long.
    row = [0.0]
    for sound in other:
        row.append(row[-1] + _MISSING[sound])
    for sound in one:
        replaced, missing = _REPLACED[sound], _MISSING[sound]
        diagonal = row[0]
        left = lowest = row[0] = diagonal + missing
        for at, heard in enumerate(other, start=1):
            above = row[at]
            best = diagonal + replaced[heard]
            if above + missing < best:  # noqa: PLR1730
                best = above + missing
            if left + _MISSING[heard] < best:  # noqa: PLR1730
                best = left + _MISSING[heard]
            diagonal = above
            left = row[at] = best
            if best < lowest:  # noqa: PLR1730
                lowest = best
        if lowest > limit:
            return None
    return row[-1] if row[-1] <= limit else None


def skeleton(sounds: str) -> str:
    """The consonants as classes of sounds that are easily taken for each other, without doubles, h, w and y."""
    return _DOUBLE.sub(r"\1", sounds.translate(_CLASS))


def skeleton_keys(bones: str, *, deep: bool = False) -> set[str]:
    """The skeleton, and those that lack one of its consonants: similar skeletons share a key. `deep`: also those of a
    long skeleton that lack two; there are too many of a very long one."""
    keys = {bones}
    size = len(bones)
    if size > 2:
        keys.update([bones[:at] + bones[at + 1 :] for at in range(size)])
    if deep and _LONG_SKELETON <= size <= _LONGEST_SKELETON:
        keys.update([bones[:i] + bones[i + 1 : j] + bones[j + 1 :] for i, j in combinations(range(size), 2)])
    return keys
