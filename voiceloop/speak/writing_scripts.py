"""Writing scripts: which letters of a text an English voice can read. Pure."""

from __future__ import annotations

import re
import unicodedata

_READ = frozenset({"LATIN", "FULLWIDTH", "MODIFIER"})
_SCRIPTS = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}
_FIRST_FOREIGN = "\u0370"
"""The letters before it are Latin, with their marks."""
_GREEK = "\u0370-\u03ff"
_SYMBOL = re.compile(rf"(?<![{_GREEK}])[{_GREEK}](?![{_GREEK}])")
"""A Greek letter by itself: a symbol, not a word."""


def foreign_scripts(text: str) -> list[str]:
    """The scripts of `text` that an English voice can't read, in the order of their first letters."""
    return list(dict.fromkeys(_script(char) for char in _with_symbols_named(text) if _is_foreign(char)))


def latin(text: str) -> str:
    """`text` without foreign letters and their marks; digits of all scripts as 0 to 9; single Greek letters by name."""
    return "".join(map(_latin_char, _with_symbols_named(text)))


def _with_symbols_named(text: str) -> str:
    return _SYMBOL.sub(lambda letter: f" {_greek_name(letter[0])} ", text)


def _greek_name(letter: str) -> str:
    """`pi` for π and Π."""
    name = unicodedata.name(letter, "")
    return name.partition(" LETTER ")[2].partition(" WITH ")[0].lower()


def _latin_char(char: str) -> str:
    if char < _FIRST_FOREIGN:
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return " " if _is_foreign(char) or unicodedata.category(char)[0] == "M" else char


def _is_foreign(char: str) -> bool:
    return char >= _FIRST_FOREIGN and char.isalpha() and unicodedata.name(char, "UNKNOWN").split()[0] not in _READ


def _script(char: str) -> str:
    first = unicodedata.name(char, "UNKNOWN").split()[0].partition("-")[0]
    return _SCRIPTS.get(first, first.capitalize())
