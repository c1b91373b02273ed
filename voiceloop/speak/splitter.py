"""Splitter: cuts the streamed text of a reply into chunks to speak. Pure.

- The first chunk is a clause, as soon as it is long enough to sound natural: it decides when the reply is first heard.
  A long clause is also cut before a conjunction, where a speaker might breathe.
- After a very short first chunk ("Sure!") the second may be a clause as well, because it must arrive before the first
  has been played.
- "Yes," alone is not a chunk: its 0.4 s end before ten more words and another request have arrived, and that gap is
  audible.
- All other chunks are whole sentences.

Each decision depends on the text alone, read character by character, with the first character of the next word as the
only look-ahead. So cutting the deltas elsewhere gives the same chunks.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from itertools import accumulate

from voiceloop.speak.abbreviations import Abbreviations
from voiceloop.speak.markdown import BREAK, Markdown
from voiceloop.text import WIDE_CLAUSES, WIDE_STOPS, Cleaner, clusters, spaceless

_CLOSERS = frozenset("\"'”’»›)]}」』）】》〉］")
_CLOSING = "".join(_CLOSERS)
_OPENERS = "\"'“‘«‹([{「『（【《〈［¿¡"
_STOPS = frozenset("!?…؟۔।॥։።")
_CLAUSES = frozenset(",;:—–،؛")
_SPACE_BEFORE_STOP = re.compile(r" +(?=[.,;:!?](?:\s|$))")
"""Spaces before punctuation, as they remain when an emoji is dropped."""
_AFTER_URL = (
    '\\s<>"“”„«»\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef'
    "\U00020000-\U0003ffff"
)
"""Characters that end a URL: also those of scripts that put no space behind it."""
_IN_URL = rf"[^(){_AFTER_URL}]"
_URL = re.compile(
    rf"(?:https?://(?:www\.)?|(?<![a-z0-9])www\.)((?![/?#]){_IN_URL}+?)(?:[/?#](?:\({_IN_URL}*\)|{_IN_URL})*?)?"
    rf"(?=[.,;:!?)\]'’]*(?:[{_AFTER_URL}]|$))",
    re.IGNORECASE,
)
_WIDE_WEIGHT = 3
"""How many letters a Chinese, Japanese or similar character counts as."""
_ENUMERATION = re.compile(r"\d{1,3}[.)]")


_RUN_ON = 1.5
"""Text without a comma is cut before a conjunction if it is this many times as long as `first_min`."""
_RUN_ON_AND = 2.0
"""The same before "and", which joins nouns as well as clauses."""
_AND = frozenset({"and", "und"})
_OTHER_CONJUNCTIONS = (
    "but because although while whereas which when where until unless since "
    "aber sondern weil obwohl während wenn denn nachdem damit "
    "mais parce lorsque quand tandis puisque "
    "pero porque aunque cuando mientras "
    "perché mentre quando affinché oppure "
    "mas embora enquanto "
    "maar omdat hoewel terwijl wanneer zodat"
)
_CONJUNCTIONS = _AND | frozenset(_OTHER_CONJUNCTIONS.split())
"""Of all languages together: so late in a sentence, hardly one of them is a noun in another language."""


class Cut(Enum):
    """What ends at a place in the text."""

    NONE = auto()
    CLAUSE = auto()
    SENTENCE = auto()


class Splitter:
    """Takes the text of a reply and returns chunks of plain text.

    Lengths are in letters; a Chinese character counts as three. A chunk may be a mere clause only while the chunks
    before it are shorter than `first_min` in all, and it must itself be at least that long. No chunk is longer than
    `longest`. Without a `language`, the abbreviations of all known languages apply.
    """

    def __init__(self, *, language: str | None = None, first_min: int = 24, longest: int = 240) -> None:
        self._abbreviations = Abbreviations(language)
        self._first_min, self._longest = first_min, longest
        self._cleaner, self._markdown = Cleaner(), Markdown()
        self._text = ""
        self._weight = 0
        """The length of `_text`, in letters."""
        self._emitted = 0
        """The length of all chunks returned so far, in letters."""

    def feed(self, delta: str) -> list[str]:
        """Add text to the reply. Returns the chunks that are complete now: plain text, never empty."""
        return [chunk for char in self._cleaner.feed(delta) for chunk in self._plain(self._markdown.feed(char))]

    def finish(self) -> list[str]:
        """End the reply, or a part of it before a pause. Returns the rest; more may be fed afterwards."""
        chunks = self._plain(self._cleaner.finish() + self._markdown.finish() + BREAK)
        if not chunks and not self._emitted:
            # A reply that is only a block of code: better to speak it than to be silent.
            chunks, self._markdown.left_out = self._plain(self._markdown.left_out + BREAK), ""
        return chunks

    def _plain(self, text: str) -> list[str]:
        return [chunk for char in text for chunk in self._char(char)]

    def _char(self, char: str) -> list[str]:
        if char == BREAK:
            return self._emit(len(self._text))
        if char.isspace():
            return self._space()
        cut = self._cut_before(char) if self._text else Cut.NONE
        early = self._clause_is_enough and self._weight >= self._first_min
        chunks = self._emit(len(self._text)) if cut is Cut.SENTENCE or (cut is Cut.CLAUSE and early) else []
        self._text += char
        self._weight += weight(char)
        if self._weight > self._longest:
            chunks += self._emit(self._best_cut())
        return chunks

    @property
    def _clause_is_enough(self) -> bool:
        """Whether the next chunk may be a clause."""
        return self._emitted < self._first_min

    def _space(self) -> list[str]:
        """Read a space, the end of a word."""
        if not self._text or self._text.endswith(" "):
            return []
        head, _, word = self._text.rpartition(" ")
        self._text += " "
        self._weight += 1
        word = word.casefold()
        if not self._clause_is_enough or word not in _CONJUNCTIONS:
            return []
        least = self._first_min * (_RUN_ON_AND if word in _AND else _RUN_ON)
        return self._emit(len(head)) if self._weight - len(word) - 2 >= least else []

    def _cut_before(self, char: str) -> Cut:
        """What ends before `char`, which is not a space."""
        head = self._text.rstrip(" ")
        spaced = len(head) < len(self._text)
        core = head.rstrip(_CLOSING)
        last = core[-1:]
        if char in _CLOSERS and not (spaced and char in "\"'"):
            return Cut.NONE
        if not spaced:
            # In 「…。」と the quotation ends, but the sentence around it goes on.
            return Cut.NONE if core != head and char in "とっ" else _wide_cut(last, char)
        if last in WIDE_STOPS or (last in _STOPS and not char.islower()):
            return Cut.SENTENCE
        if last == ".":
            return Cut.SENTENCE if self._full_stop(core, char) else Cut.NONE
        if last in _CLAUSES or last in WIDE_CLAUSES or (last == "-" and core.endswith(" -")):
            return Cut.CLAUSE
        if spaceless(last) and spaceless(char):
            # Thai and related scripts have a space where others have a full stop or a comma.
            return Cut.SENTENCE if self._weight >= 2 * self._first_min else Cut.CLAUSE
        return Cut.NONE

    def _full_stop(self, core: str, after: str) -> bool:
        """Whether the full stop at the end of `core` ends a sentence."""
        if after.islower() or _ENUMERATION.fullmatch(core):
            return False
        if core.endswith(".."):
            return True
        word = core.rsplit(" ", 1)[-1].rstrip(".").lstrip(_OPENERS)
        return not self._abbreviations.go_on(word, after=after)

    def _best_cut(self) -> int:
        """Where to cut a text that is too long: after a clause, else between words, else between characters."""
        text, least = self._text, len(self._text) // 3
        for may_cut in (_after_clause, _at_space):
            for at in range(len(text) - 1, least, -1):
                if may_cut(text, at):
                    return at
        whole = list(accumulate(map(len, clusters(text))))[:-1]  # the ends of all characters but the last
        return whole[-1] if whole and whole[-1] > least else len(text) - 1

    def _emit(self, at: int) -> list[str]:
        chunk, self._text = spoken(self._text[:at]), self._text[at:].lstrip()
        self._weight = sum(map(weight, self._text))
        self._emitted += sum(map(weight, chunk))
        return [chunk] if chunk else []


def cut_between(chunk: str, following: str) -> Cut:
    """What ended between two chunks that are spoken one after the other: a clause or a sentence."""
    last = chunk.rstrip(_CLOSING)[-1:]
    if last == "." or last in WIDE_STOPS or last in _STOPS:
        return Cut.SENTENCE
    # Without a mark it was cut before a conjunction or for its length, or it was a heading or an entry of a list.
    return Cut.CLAUSE if last in WIDE_CLAUSES or last in _CLAUSES or following[:1].islower() else Cut.SENTENCE


def spoken(text: str) -> str:
    """`text` as it is spoken: one line, with each URL as its host. Empty if nothing in it can be pronounced."""
    line = _SPACE_BEFORE_STOP.sub("", " ".join(_URL.sub(r"\1", text).split()))
    return line if any(char.isalnum() for char in line) else ""


def weight(char: str) -> int:
    """The length that a character counts as, roughly in proportion to how long it sounds."""
    return _WIDE_WEIGHT if "\u3040" <= char <= "\u9fff" or char >= "\U00020000" else 1


def _wide_cut(last: str, char: str) -> Cut:
    """What ends between two characters without a space between them."""
    if last in WIDE_STOPS and char not in WIDE_STOPS | _STOPS and not (last == "．" and char.isdigit()):
        return Cut.SENTENCE
    return Cut.CLAUSE if last in WIDE_CLAUSES and not char.isdigit() else Cut.NONE


def _after_clause(text: str, at: int) -> bool:
    return text[at - 1] in WIDE_CLAUSES or (text[at] == " " and text[at - 1] in _CLAUSES)


def _at_space(text: str, at: int) -> bool:
    return text[at] == " "
