"""Judges how a transcript ends: is the sentence over, or will more be said? Pure; explained in `endpointer.py`."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, IntEnum
from itertools import takewhile

from voiceloop.capture.endpointing.ending_words import NAMES, SPACELESS, WORDS, Words


class Ending(IntEnum):
    """How likely it is that more is said, least first."""

    QUESTION = 0
    """A question mark, or words that end a turn ("thank you")."""
    STOP = 1
    """A full stop or an exclamation mark. Whisper and its like put one after nearly anything."""
    UNKNOWN = 2
    """Nothing to go by."""
    LINKED = 3
    """A word that often runs on, without a full stop: a preposition, an auxiliary."""
    OPEN = 4
    """A comma, a dash, "…", a word that ends no sentence ("and", "the", "um"), a number being read out."""


class Basis(Enum):
    """What is gone by in a language."""

    WORDS = "words, punctuation and pauses"
    PUNCTUATION = "punctuation and pauses"
    PAUSES = "pauses alone"


_LOOK_BACK = 200
"""Characters: more than the longest phrase of the lists and any telephone number."""
_CLOSERS = "\"'”’»›)]}」』）】"
_DASHES = "-‐‑–—"
_TRAILING_OFF = ("..", "…", *",;:،؛、，；：", *_DASHES)
_QUESTION = "?？؟"
_STOPS = ".!。！．｡।॥۔"
_WORD = re.compile(r"[^\W_](?:[^\s]*[^\W_])?['’]?")
"""From its first letter or digit to its last, and an apostrophe after it: "l'" is a word that runs on."""
_ELIDED = ("fr", "it")
_WHOLE_NUMBER = 10
"""Digits of a telephone number: read out to here, it may well be over."""
_LONG = 5
"""Digits in one piece that are no amount and no year: a code or the beginning of a telephone number."""

_GUESS_LEAST, _GUESS_LEAD, _GUESS_SHARE = 3, 2, 0.3
"""Small words that a guess needs, how many more than in any other language, and their share of all words: languages
that aren't known here share a few by chance."""


def code(language: str | None) -> str | None:
    """A language's code, in lower case, without its region: "en" of "en-US" or "English"."""
    if not language:
        return None
    name = re.split(r"[-_ ]", language.strip().casefold(), maxsplit=1)[0]
    return NAMES.get(name, name) or None


def basis(language: str | None) -> Basis:
    """What `ending` goes by in this language; in one that isn't known (None) it goes by punctuation."""
    short = code(language)
    if short in WORDS:
        return Basis.WORDS
    return Basis.PUNCTUATION if short is None or short in SPACELESS else Basis.PAUSES


def guess(text: str) -> str | None:
    """The language, of those with words, that `text` is surely in by its small words; None when it is too short."""
    words = _split(unicodedata.normalize("NFC", text).casefold())
    hits = sorted(
        (sum(word in lists.open or word in lists.link for word in words), name) for name, lists in WORDS.items()
    )
    (second, _), (most, name) = hits[-2:]
    sure = most >= max(_GUESS_LEAST, second + _GUESS_LEAD, len(words) * _GUESS_SHARE)
    return name if sure else None


def ending(text: str, language: str | None) -> Ending:
    """How `text`, what was said up to a pause, ends."""
    goes_by = basis(language)
    said = unicodedata.normalize("NFC", text[-_LOOK_BACK:]).casefold().rstrip()
    if goes_by is Basis.PAUSES or not said:
        return Ending.UNKNOWN
    marked = _marked(said)
    if marked is Ending.OPEN:
        return marked
    short = code(language)
    words = _split(said)
    lists = WORDS.get(short or "")
    if marked is not Ending.QUESTION and _reading_digits(words, lists.digits if lists else frozenset()):
        return Ending.OPEN
    return marked if lists is None else _worded(words, marked, lists, elides=short in _ELIDED)


def _split(said: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(said)]


def _marked(said: str) -> Ending:
    """By punctuation alone."""
    bare = said.rstrip(_CLOSERS + " ")
    if bare.endswith(_TRAILING_OFF):
        return Ending.OPEN
    if bare.endswith(tuple(_QUESTION)) or (bare.endswith("!") and bare[-2:-1] in _QUESTION):
        return Ending.QUESTION
    return Ending.STOP if bare.endswith(tuple(_STOPS)) else Ending.UNKNOWN


def _worded(words: list[str], marked: Ending, lists: Words, *, elides: bool) -> Ending:
    """By the last words, against the punctuation where they disagree."""
    last = words[-1] if words else ""
    if last in lists.open or (elides and last.endswith("'")):
        # "…, or?" and "Why because?": the two cancel out.
        return Ending.UNKNOWN if marked is Ending.QUESTION else Ending.OPEN
    if marked is Ending.QUESTION or _closes(words, lists):
        return Ending.QUESTION
    if last in lists.link:
        return Ending.LINKED if marked is Ending.UNKNOWN else Ending.UNKNOWN
    return marked


def _closes(words: list[str], lists: Words) -> bool:
    said = " " + " ".join(words)
    return any(said.endswith(" " + phrase) for phrase in lists.closing)


def _reading_digits(words: list[str], names: frozenset[str]) -> bool:
    """Whether a number is being read out in pieces: "five five", "0 1 7", "555-12"; but not "twenty five" or "20"."""
    pieces = [piece for word in words for piece in re.split(f"[{_DASHES}]", word) if piece]
    run = list(takewhile(lambda piece: piece.isdecimal() or piece in names, reversed(pieces)))
    digits = sum(len(piece) if piece.isdecimal() else 1 for piece in run)
    if not run or digits >= _WHOLE_NUMBER:
        return False
    alone = run[0]
    return len(run) > 1 or (alone.isdecimal() and len(alone) > 1 and (alone[0] == "0" or len(alone) >= _LONG))
