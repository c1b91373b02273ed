"""Cleaning of untrusted text (transcripts, a model's answers, a program's output), so that it is safe to show. Pure.

Such text may contain terminal escapes (which set a window title or a colour, or do worse), characters that change the
reading direction ("Trojan Source", CVE-2021-42574), and invisible characters that hide text. All code that prints or
types text, sets a window title or writes a subtitle cleans the text here first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import Enum, auto

_NEWLINES = frozenset("\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d")
"""Joiners: needed inside Persian and Indic words and emoji; elsewhere invisible, and removed."""
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Blank characters that Unicode classes as letters, marks or symbols."""
_INTRODUCERS = frozenset("\x1b\x90\x98\x9b\x9d\x9e\x9f")
_LONGEST_ESCAPE = 512
"""The longest escape, in characters. One that hasn't ended by then is malformed: what follows is text again."""

WIDE_STOPS = frozenset("。！？｡．")
"""Marks that end a sentence without a space after them."""
WIDE_CLAUSES = frozenset("、，；：")
"""Marks that end a clause without a space after them."""


_TABLE_ROW = re.compile(r"  \w+ +")
_WORD = re.compile(r" *[^ ]+")


class _State(Enum):
    TEXT = auto()
    ESCAPE = auto()
    CSI = auto()
    STRING = auto()
    STRING_ESCAPE = auto()


class Cleaner:
    """Cleans text that comes in pieces. The result doesn't depend on where the text is cut."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._state = _State.TEXT
        self._escape_length = 0
        self._before = ""
        self._joiner = ""

    def feed(self, piece: str) -> str:
        """The next piece, without escapes and invisible characters. Keeps newlines and tabs."""
        return "".join(map(self._char, piece))

    def finish(self) -> str:
        """End the text. The cleaner can then be used for another."""
        self._reset()
        return ""

    def _char(self, char: str) -> str:
        if self._state is not _State.TEXT:
            self._escape_length += 1
            if self._swallowed(char):
                return ""
        if char in _INTRODUCERS:
            self._escape_length = 0
            self._state = {"\x1b": _State.ESCAPE, "\x9b": _State.CSI}.get(char, _State.STRING)
            return ""
        return self._shown(char)

    def _swallowed(self, char: str) -> bool:
        """Whether `char` belongs to the current escape; advances the state (ECMA-48 5.3 to 5.6)."""
        state, self._state = self._state, _State.TEXT
        if self._escape_length > _LONGEST_ESCAPE or char in _NEWLINES:
            return False
        if state is _State.ESCAPE:
            if char in "[]PX^_":
                self._state = _State.CSI if char == "[" else _State.STRING
            elif " " <= char <= "/":
                self._state = state
            return " " <= char <= "~"
        if state is _State.CSI:
            if " " <= char <= "?":
                self._state = state
            return " " <= char <= "~"
        if char in "\x07\x9c" or (state is _State.STRING_ESCAPE and char == "\\"):
            return True
        self._state = _State.STRING_ESCAPE if char == "\x1b" else _State.STRING
        return True

    def _shown(self, char: str) -> str:
        if char in _JOINERS:
            self._joiner = char if _joins(self._before) and not self._joiner else "\0"
            return ""
        char = "\n" if char in _NEWLINES else char
        if not visible(char):
            return ""
        joiner, self._joiner = self._joiner, ""
        self._before = char
        return joiner + char if joiner in _JOINERS and _joins(char) else char


def _joins(char: str) -> bool:
    """Whether a joiner next to `char` can have a meaning."""
    return char > "\x7f" and unicodedata.category(char)[0] in "LMS"


def visible(char: str) -> bool:
    """Whether a single character may be shown: it is no control, format, direction or blank character, no half of a
    surrogate pair, and not unassigned or for private use."""
    if char in "\n\t" or " " <= char <= "~":
        return True
    if char in _INVISIBLE_LETTERS or "\U000e0000" <= char <= "\U000e0fff":
        return False
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def clean(text: str) -> str:
    """`text` without terminal escapes and invisible characters. Keeps newlines and tabs."""
    return Cleaner().feed(text)


def clean_line(text: str) -> str:
    """`text` cleaned, on one line: each run of spaces and newlines becomes one space."""
    return " ".join(clean(text).split())


def join_chunks(chunks: Iterable[str]) -> str:
    """The chunks of a reply as one text, with spaces between them except within scripts that use none."""
    text = ""
    for chunk in chunks:
        wide = text and (spaceless(text[-1]) or text[-1] in WIDE_STOPS | WIDE_CLAUSES) and spaceless(chunk[0])
        text += chunk if wide or not text else f" {chunk}"
    return text


def spaceless(char: str) -> bool:
    """Whether `char` is of a script that puts no spaces between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""
    return (
        "\u0e00" <= char <= "\u0eff"
        or "\u1000" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
        or "\u3040" <= char <= "\u9fff"
        or "\uf900" <= char <= "\ufaff"
        or "\U00020000" <= char <= "\U0003ffff"
    )


_BEFORE_ITS_CONSONANT = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4")
"""Vowels of Thai and Lao that are written before their consonant."""
_STACKING = frozenset("\u17d2\u1039")
"""Signs of Khmer and Burmese that put the next consonant below the one before."""


def clusters(text: str) -> list[str]:
    """The characters of `text` as people see them: Unicode's grapheme clusters, with the consonants of Khmer and
    Burmese that stand below another, and a vowel of Thai or Lao with the consonant after it."""
    if text.isascii():
        return list(text)
    import regex

    found: list[str] = []
    for cluster in regex.findall(r"\X", text):
        before = found[-1] if found else ""
        held = before and (before[-1] in _STACKING or (before in _BEFORE_ITS_CONSONANT and spaceless(cluster[0])))
        # Unicode counts some marks of Burmese as letters of their own.
        if held or (before and unicodedata.category(cluster[0])[0] == "M"):
            found[-1] += cluster
        else:
            found.append(cluster)
    return found


def columns(text: str) -> int:
    """How many columns `text` takes in a terminal or a subtitle: wide characters two, marks on a letter none, an emoji
    made of several characters two."""
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len  # 16 ms: not at every start

    return cell_len(text)


def chopped(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` columns, cut between characters as people see them (`clusters`). A character
    that is wider is a piece by itself."""
    pieces: list[str] = []
    room = 0
    for cluster in clusters(text):
        wide = columns(cluster)
        if pieces and wide <= room:
            pieces[-1] += cluster
        else:
            pieces.append(cluster)
            room = width
        room -= wide
    return pieces


def shortened(text: str, width: int) -> str:
    """`text`, cut to at most `width` columns; an ellipsis stands for the rest."""
    if columns(text) <= width:
        return text
    start = chopped(text, width - 1)[0]
    return f"{start}…" if columns(start) < width else "…"


def wrapped(text: str, width: int) -> list[str]:
    """A line of text as rows of at most `width` columns, cut between words; a longer word has a row of its own.

    Later rows are indented by two columns, or below the second column of a line like `  name   text`.
    """
    start = _TABLE_ROW.match(text)
    hanging = " " * (len(start[0]) if start is not None and 2 * len(start[0]) < width else 2)
    rows: list[str] = []
    for word in _WORD.findall(text.rstrip(" ")):  # else each space at the end would be a start
        if rows and _width(rows[-1] + word) <= width:
            rows[-1] += word
        else:
            rows.append(f"{hanging}{word.lstrip()}" if rows else word)
    return rows


def _width(text: str) -> int:
    return len(text) if text.isascii() else columns(text)


def padded(text: str, width: int) -> str:
    """`text` with spaces behind it, up to `width` columns."""
    return text + " " * (width - columns(text))
