"""A classifier of how a transcript ends: is the sentence over, or will the speaker go on? Pure.

`endpointer.py` explains how the result is used.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, IntEnum
from itertools import takewhile

from voiceloop.capture.endpointing.ending_words import NAMES, SPACELESS, WORDS, Words


class Ending(IntEnum):
    """How likely it is that the speaker goes on, in increasing order."""

    QUESTION = 0
    """A question mark, or words that end a turn ("thank you")."""
    STOP = 1
    """A full stop or an exclamation mark. Whisper and similar recognisers put one after nearly anything."""
    UNKNOWN = 2
    """No evidence either way."""
    LINKED = 3
    """A word after which sentences often go on, without a full stop: a preposition, an auxiliary, "I need"."""
    OPEN = 4
    """A comma, a dash, "…", a word that ends no sentence ("and", "the", "um"), a number or a word being spelled."""


class Basis(Enum):
    """The evidence that is used in a language."""

    WORDS = "words, punctuation and pauses"
    PUNCTUATION = "punctuation and pauses"
    PAUSES = "pauses alone"


_LOOK_BACK = 200
"""Characters examined at the end: more than the longest phrase of the lists and any telephone number."""
_CLOSERS = "\"'”’»›)]}」』）】"
_DASHES = "-‐‑–—"
_TRAILING_OFF = ("..", "…", *",;:،؛、，；：", *_DASHES)
_QUESTION = "?？؟"
_STOPS = ".!。！．｡।॥۔"
_WORD = re.compile(r"[^\W_](?:[^\s]*[^\W_])?['’]?")
"""A word from its first letter or digit to its last, and an apostrophe after it: after "l'" another word follows."""
_ELIDED = ("fr", "it")
"""Languages in which a word that ends with an apostrophe is joined to the next word."""
_ONE_LETTER = {"fr": "aày", "es": "aeouy", "it": "aeio", "pt": "aeoàé"}
"""The words of one letter, in languages that put two of them behind one another."""
_COMPLETE_NUMBER = 10
"""Digits of a telephone number: one that has been read out to this length may well be complete."""
_LONG = 5
"""Digits in one piece that are neither an amount nor a year, but a code or the beginning of a telephone number."""

_GUESS_LEAST, _GUESS_LEAD, _GUESS_SHARE = 3, 2, 0.3
"""For a guess of the language: how many small words it needs, how many more than in any other language, and their
share of all words. Languages without a list here have a few of these words by chance."""


def code(language: str | None) -> str | None:
    """Return a language's code in lower case, without its region: "en" for "en-US" or "English"."""
    if not language:
        return None
    name = re.split(r"[-_ ]", language.strip().casefold(), maxsplit=1)[0]
    return NAMES.get(name, name) or None


def basis(language: str | None) -> Basis:
    """Return the evidence that `ending` uses in this language; punctuation if the language is unknown (None)."""
    short = code(language)
    if short in WORDS:
        return Basis.WORDS
    return Basis.PUNCTUATION if short is None or short in SPACELESS else Basis.PAUSES


def guess(text: str) -> str | None:
    """Guess the language of `text` by its small words, among the languages with word lists; None if uncertain."""
    words = _words(unicodedata.normalize("NFC", text).casefold())
    hits = sorted(
        (sum(word in lists.open or word in lists.link for word in words), name) for name, lists in WORDS.items()
    )
    (second, _), (most, name) = hits[-2:]
    sure = most >= max(_GUESS_LEAST, second + _GUESS_LEAD, len(words) * _GUESS_SHARE)
    return name if sure else None


def ending(text: str, language: str | None, *, punctuated: bool = True) -> Ending:
    """Classify the end of `text`, the transcript of the speech before a pause.

    Without `punctuated` full stops and question marks say nothing: some recognisers put one after anything.
    """
    text = unicodedata.normalize("NFC", text[-_LOOK_BACK:]).casefold().rstrip()
    if basis(language) is Basis.PAUSES or not text:
        return Ending.UNKNOWN
    by_marks = _by_punctuation(text)
    if by_marks is Ending.OPEN:
        return by_marks
    if not punctuated:
        by_marks = Ending.UNKNOWN
    short = code(language)
    words = _words(text)
    lists = WORDS.get(short or "")
    reading = _reading_digits(words, lists.digits if lists else frozenset()) or _spelling(words, short)
    if by_marks is not Ending.QUESTION and reading:
        return Ending.OPEN
    return by_marks if lists is None else _by_words(words, by_marks, lists, elides=short in _ELIDED)


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text)]


def _by_punctuation(text: str) -> Ending:
    bare = text.rstrip(_CLOSERS + " ")
    if bare.endswith(_TRAILING_OFF):
        return Ending.OPEN
    if bare.endswith(tuple(_QUESTION)) or (bare.endswith("!") and bare[-2:-1] in _QUESTION):
        return Ending.QUESTION
    return Ending.STOP if bare.endswith(tuple(_STOPS)) else Ending.UNKNOWN


def _by_words(words: list[str], by_marks: Ending, lists: Words, *, elides: bool) -> Ending:
    """Classify by the last words, which may correct the classification by punctuation (`by_marks`)."""
    last = words[-1] if words else ""
    if last in lists.open or (elides and last.endswith("'")):
        # "…, or?" and "Why because?": the word and the question mark cancel each other out.
        return Ending.UNKNOWN if by_marks is Ending.QUESTION else Ending.OPEN
    if by_marks is Ending.QUESTION or _ends_with_closing(words, lists):
        return Ending.QUESTION
    if last in lists.link or last in lists.wanting:
        return Ending.LINKED if by_marks is Ending.UNKNOWN else Ending.UNKNOWN
    return by_marks


def _ends_with_closing(words: list[str], lists: Words) -> bool:
    text = " " + " ".join(words)
    return any(text.endswith(" " + phrase) for phrase in lists.closing)


def _spelling(words: list[str], language: str | None) -> bool:
    """Whether a word is being spelled: it ends with two single letters, "m i" or "M-I". Not with two words of one
    letter ("il y a"), nor in scripts without capitals, where one character may be a word."""
    letters = [piece for word in words[-2:] for piece in re.split(f"[{_DASHES}]", word) if piece][-2:]
    if len(letters) < 2 or not all(len(letter) == 1 and letter.upper() != letter for letter in letters):
        return False
    small = _ONE_LETTER.get(language, "") if language else "".join(_ONE_LETTER.values())
    return not all(letter in small for letter in letters)


def _reading_digits(words: list[str], names: frozenset[str]) -> bool:
    """Whether a number is being read out in pieces: "five five", "0 1 7", "555-12", but not "twenty five" or "20"."""
    pieces = [piece for word in words for piece in re.split(f"[{_DASHES}]", word) if piece]
    run = list(takewhile(lambda piece: piece.isdecimal() or piece in names, reversed(pieces)))
    digits = sum(len(piece) if piece.isdecimal() else 1 for piece in run)
    if not run or digits >= _COMPLETE_NUMBER:
        return False
    last = run[0]
    return len(run) > 1 or (last.isdecimal() and len(last) > 1 and (last[0] == "0" or len(last) >= _LONG))
