"""Clauses: a text cut into pieces that an embedded engine speaks one after the other. Pure.

An engine that speaks a whole piece at once needs short ones: the first sound comes when the first piece is done, a
cancelled reply stops between two pieces, and memory grows with the longest.
"""

from __future__ import annotations

from itertools import accumulate

from voiceloop.speak.abbreviations import Abbreviations
from voiceloop.text import WIDE_CLAUSES, WIDE_STOPS, clusters

_STOPS = frozenset("!?…؟۔।։።") | WIDE_STOPS
_CLAUSES = frozenset(",;:—–،؛") | WIDE_CLAUSES
_CLOSERS = "\"'”’»›)]}」』）】》〉］"
_LOOK_AHEAD = 8
"""Characters behind the limit that may belong to one before it."""
_LEAST = 3
"""A piece is at least 1/3 of the longest allowed, if there is a place to cut after that: short pieces sound choppy."""


def clauses(text: str, *, first: int, longest: int, language: str | None = None) -> list[str]:
    """`text` in pieces of at most `longest` characters, the first of at most `first`; none is blank.

    Cuts after a sentence where there is one, else after a clause, else between words, else anywhere.
    """
    abbreviations = Abbreviations(language)
    pieces: list[str] = []
    rest = " ".join(text.split())
    while rest:
        limit = longest if pieces else first
        at = len(rest) if len(rest) <= limit else _cut(rest, limit, abbreviations)
        pieces.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return pieces


def _cut(text: str, limit: int, abbreviations: Abbreviations) -> int:
    """Where to cut a text that is longer than `limit`: at most there."""
    places = range(limit, limit // _LEAST, -1)
    for at in places:
        if _ends_sentence(text, at, abbreviations):
            return at
    for at in places:
        if (text[at] == " " and text[at - 1] in _CLAUSES) or text[at - 1] in WIDE_CLAUSES:
            return at
    if (space := text.rfind(" ", 1, limit + 1)) > 0:
        return space
    whole = [at for at in accumulate(map(len, clusters(text[: limit + _LOOK_AHEAD]))) if at <= limit]
    return whole[-1] if whole else limit


def _ends_sentence(text: str, at: int, abbreviations: Abbreviations) -> bool:
    before = text[:at].rstrip(_CLOSERS)
    if before.endswith(tuple(WIDE_STOPS)):
        return True
    if text[at] != " " or not before or text[at + 1].islower():
        return False
    if before[-1] in _STOPS:
        return True
    word = before[:-1].rpartition(" ")[2].lstrip("\"'“‘«‹([{")
    return before[-1] == "." and not abbreviations.go_on(word, after=text[at + 1])
