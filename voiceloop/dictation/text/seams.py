"""The seam between two pieces of text: whether a space belongs there, and whether a sentence begins. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from voiceloop.config.language import language_code
from voiceloop.speak.abbreviations import Abbreviations
from voiceloop.text import join_chunks

_OPENING = frozenset("([{¿¡„")
_QUOTES = frozenset("\"'“‘«")
"""Quotes that open behind a space and close behind a word."""
_CLOSING = frozenset(".,;:!?…)]}»”’%")
_ENDS = frozenset(".!?…。！？")
_AFTER_END = "\"'”’“»)] "
_BEFORE_FIRST = frozenset("\"'“”„«»‘’([{¿¡…\u00a0\u202f ")
_WORD = re.compile(r"[^\s(\[\"'„“«¿¡]*$")
_WITHIN = re.compile(r"@|://|\w\.\w")
_DOTTED_I = frozenset({"tr", "az"})
"""Languages in which the capital of i is İ."""

_abbreviations = lru_cache(maxsize=16)(Abbreviations)


def needs_space(text: str, *, after: str) -> bool:
    """Whether a space belongs between `after`, the text before the cursor, and `text`."""
    if not after or after[-1].isspace() or after[-1] in _OPENING or text[0].isspace():
        return False
    if after[-1] in _QUOTES and (len(after) == 1 or after[-2].isspace() or after[-2] in _OPENING):
        return False
    if text[0] in _CLOSING and not any(map(str.isalnum, text)):
        return False
    return len(join_chunks([after, text])) > len(after) + len(text)  # false for scripts without spaces


def sentence_after(tail: str, language: str | None, *, mark: bool) -> bool | None:
    """Whether a sentence begins after `tail`, the text before the cursor; None if that can't be known: after an
    abbreviation and "…". A full stop that was spoken, as a `mark`, ends a sentence."""
    if tail.endswith("\n"):
        return True
    bare = tail.rstrip(_AFTER_END)
    if bare[-1:] not in _ENDS or not bare:
        return False
    if bare.endswith(("…", "..")):
        return None
    if bare[-1] == "." and not mark:
        found = _WORD.search(bare[:-1])
        word = found[0] if found else ""
        abbreviations = _abbreviations(language)
        if abbreviations.go_on(word, after="a") or abbreviations.may_end(word):
            return None
    return True


def capitalised(text: str, language: str | None) -> str:
    """`text` with a capital letter at its beginning; an address, a path or an "iPhone" as it is."""
    at = next((at for at, char in enumerate(text) if char.isalnum()), 0)
    if not text or _WITHIN.search(text) or any(char.isupper() for char in text[at + 1 :]):
        return text
    if not _BEFORE_FIRST.issuperset(text[:at]):  # "/usr", "-v", "#tag"
        return text
    return text[:at] + _capital(text[at], language) + text[at + 1 :]


def _capital(char: str, language: str | None) -> str:
    """The capital of a letter; the letter itself where a title has none (Georgian) or one of two letters (ß)."""
    if char == "i" and language_code(language) in _DOTTED_I:
        return "İ"
    title = char.title()
    return title if len(title) == 1 else char
