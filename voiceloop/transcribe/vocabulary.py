"""The vocabulary: words that sound like one of the user's terms are written as that term, whatever the engine. Pure;
knows no engine and no audio.

    the whale and portal → the Wayland portal

A term is found by its letters, regardless of case and spaces, in any language; by its sound in English only.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from voiceloop.transcribe.phonetics.function_words import is_function_word
from voiceloop.types import Word

if TYPE_CHECKING:
    from voiceloop.transcribe.phonetics.sound_index import SoundIndex

MOST_WORDS = 7
"""Words that may become one term; letters said one by one count as words."""
COMMA = 0.03
"""Added to the badness of a match for each comma within."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_GAP = re.compile(r"[ \u00a0]{1,2}|-|, {1,2}")
_LETTER_GAP = re.compile(r"\.?,? {0,2}")
_INITIAL_GAP = re.compile(r"\. {0,2}")
_ABBREVIATED = re.compile(r"\.(?=\s+[^\W\d_A-Z])")
_SYMBOLS = re.compile(r"[^\w\s]|_")
_ENDING = re.compile(r"(?P<stem>.*[^\W\d_])(?P<ending>['’]?s)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """A term as it is written, and how it is said if the user has told."""

    written: str
    spoken: str | None = None

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read an entry of the config: `Wayland`, or with words that sound like it, `kubectl=cube control`."""
        written, _, spoken = (part.strip() for part in text.partition("="))
        return cls(written, spoken) if written and spoken else cls(text.strip())


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch of text, from `start` to before `end`, that is to be written as `text`. `badness`: the distance of the
    sounds, as a share of the term's; 0 for the same letters."""

    start: int
    end: int
    text: str
    badness: float = 0.0


@dataclass(frozen=True, slots=True)
class _Token:
    """A word of the text, from `start` to before `end`."""

    text: str
    start: int
    end: int

    def readings(self, *, alone: bool) -> Iterator[tuple[str, str]]:
        """The word and no ending; then, if it ends so, its stem and the ending of the possessive or, for a word
        `alone` and for a letter, of the plural."""
        yield self.text, ""
        if self.text[-1] in "sS":
            ended = _ENDING.fullmatch(self.text)
            if ended and (alone or len(ended["ending"]) > 1 or len(ended["stem"]) == 1):
                yield ended["stem"], ended["ending"]


class Vocabulary:
    """The user's terms. `language`: that of the speech, an ISO 639-1 code, perhaps with a region; None if unknown."""

    def __init__(self, terms: Iterable[str], language: str | None) -> None:
        parsed = sorted({Term.parse(text) for text in terms}, key=lambda term: (term.written, term.spoken or ""))
        self._literal = _literal([term.written for term in parsed])
        self._by_letters = _by_letters([term.written for term in parsed])
        self._longest = max(map(len, self._by_letters), default=0)
        self._language = re.split("[-_]", (language or "").lower())[0] or None
        self._by_sound = _index(parsed) if parsed and self._language == "en" else None

    def apply(self, text: str) -> str:
        """The text with its terms as they are written."""
        return _rewritten(text, self.matches(text))

    def apply_to_words(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """The words with terms as they are written. Words that became one are one from then on, with the lowest of
        their confidences; a term of as many words as were heard keeps the times of each."""
        text = " ".join(word.text for word in words)
        starts = list(accumulate((len(word.text) + 1 for word in words), initial=0))
        found: list[Word] = []
        at = 0
        for first, end, matches in _groups(self.matches(text), starts):
            found += words[at:first]
            at = end
            offset = starts[first]
            inner = [replace(match, start=match.start - offset, end=match.end - offset) for match in matches]
            found += _as_spoken(_rewritten(text[offset : starts[end] - 1], inner), words[first:end])
        return (*found, *words[at:])

    def matches(self, text: str) -> list[Match]:
        """The stretches of `text` that are terms, from left to right; none overlaps another."""
        if not self._by_letters and not self._literal and not self._by_sound:
            return []
        chains = list(_chains(text))
        found = list(self._verbatim(text))
        spelled = self._spelled(text, _free(chains, found))
        found += _best(spelled, key=lambda match: (match.start - match.end, match.start))
        if self._by_sound:
            heard = self._heard(text, _free(chains, found), self._by_sound)
            found += _best(heard, key=lambda match: (match.badness, match.start - match.end, match.start))
        return sorted(found, key=lambda match: match.start)

    def _verbatim(self, text: str) -> Iterator[Match]:
        """The terms with symbols, as C++ and Node.js, that stand in the text with them."""
        if self._literal:
            pattern, written = self._literal
            for found in pattern.finditer(text):
                yield Match(found.start(), found.end(), written.get(found[0].casefold(), found[0]))

    def _spelled(self, text: str, chains: Iterable[Sequence[_Token]]) -> Iterator[Match]:
        """The words that have the letters of a term."""
        for run in _runs(chains):
            front = ""
            for count, token in enumerate(run, start=1):
                for word, ending in token.readings(alone=count == 1):
                    written = self._by_letters.get(front + _letters(word))
                    if written is not None and not self._is_word(written, word):
                        yield Match(run[0].start, _end(text, run[:count]), written + ending)
                        break
                front += _letters(token.text)
                if len(front) > self._longest:
                    break

    def _is_word(self, written: str, heard: str) -> bool:
        """Whether a word like `us` or `go` was heard, which isn't the term US or Go."""
        abbreviation = written.isupper() and heard.isupper()
        alike = heard != written and _letters(heard) == _letters(written)
        return alike and not abbreviation and is_function_word(heard, self._language)

    def _heard(self, text: str, chains: Iterable[Sequence[_Token]], index: SoundIndex) -> Iterator[Match]:
        """The words that sound like a term."""
        for run in _runs(chains):
            front = ""
            for count, token in enumerate(run, start=1):
                before = [word.text for word in run[: count - 1]]
                spare = COMMA * text.count(",", run[0].start, token.start) if before else 0.0
                for word, ending in token.readings(alone=count == 1):
                    near = index.nearest([*before, word], front + index.said(word), spare=spare)
                    if near is not None and not (count == 1 and self._is_word(near.written, word)):
                        yield Match(run[0].start, _end(text, run[:count]), near.written + ending, near.badness)
                front += index.said(token.text)
                if len(front) > index.longest:
                    break


def as_written(terms: Iterable[str]) -> tuple[str, ...]:
    """The terms of the config without the spellings of their sounds, for prompts and dictation; each once."""
    return tuple(dict.fromkeys(Term.parse(text).written for text in terms))


def _by_letters(terms: Iterable[str]) -> dict[str, str]:
    """The terms by their letters. Without those that begin or end with a symbol: not every `net` is .NET."""
    found: dict[str, str] = {}
    for written in terms:
        if written[:1].isalnum() and written[-1:].isalnum():
            found.setdefault(_letters(written), written)
    return found


def _literal(terms: Iterable[str]) -> tuple[re.Pattern[str], dict[str, str]] | None:
    """A pattern for the terms that contain symbols, and how they are written, by the casefolded text that it finds."""
    written: dict[str, str] = {}
    for term in terms:
        if _SYMBOLS.search(term):
            written.setdefault(term.casefold(), term)
    if not written:
        return None
    longest_first = sorted(written.values(), key=lambda term: (-len(term), term))
    guarded = "|".join(rf"(?<!\w){re.escape(term)}" if term[0].isalnum() else re.escape(term) for term in longest_first)
    return re.compile(rf"(?:{guarded})(?!\w)", re.IGNORECASE), written


def _index(terms: Iterable[Term]) -> SoundIndex:
    from voiceloop.transcribe.phonetics.sound_index import SoundIndex

    index = SoundIndex()
    for term in terms:
        index.add(term.written, term.spoken)
    return index


def _chains(text: str) -> Iterator[list[_Token]]:
    """The words of the text, cut where more than a space, a hyphen or a comma stands between two of them."""
    chain: list[_Token] = []
    for word in _WORD.finditer(text):
        token = _Token(word[0], word.start(), word.end())
        if chain and not _are_joined(text, chain[-1], token):
            yield chain
            chain = []
        chain.append(token)
    if chain:
        yield chain


def _are_joined(text: str, before: _Token, after: _Token) -> bool:
    gap = text[before.end : after.start]
    if _GAP.fullmatch(gap):
        return True
    if len(before.text) > 1:
        return False
    return bool((_LETTER_GAP if len(after.text) == 1 else _INITIAL_GAP).fullmatch(gap))


def _free(chains: Iterable[Sequence[_Token]], matches: Sequence[Match]) -> Iterator[list[_Token]]:
    """The chains, cut at the words that matches have taken."""
    for chain in chains:
        free: list[_Token] = []
        for token in chain:
            if any(match.start < token.end and token.start < match.end for match in matches):
                yield free
                free = []
            else:
                free.append(token)
        yield free


def _runs(chains: Iterable[Sequence[_Token]]) -> Iterator[Sequence[_Token]]:
    """For each word, those that may become one term with it: itself and the next ones."""
    for chain in chains:
        for first in range(len(chain)):
            yield chain[first : first + MOST_WORDS]


def _end(text: str, span: Sequence[_Token]) -> int:
    """Where a match of `span` ends: behind the full stop of an abbreviation (S. S. H.) that ends no sentence."""
    end = span[-1].end
    dotted = len(span) > 1 and all(text[before.end] == "." for before, _ in pairwise(span))
    return end + 1 if dotted and _ABBREVIATED.match(text, end) else end


def _best(matches: Iterable[Match], key: Callable[[Match], tuple[float, ...]]) -> list[Match]:
    """The matches that overlap none with a lower key."""
    found: list[Match] = []
    for match in sorted(matches, key=key):
        if all(match.end <= other.start or other.end <= match.start for other in found):
            found.append(match)
    return found


def _rewritten(text: str, matches: Iterable[Match]) -> str:
    parts = []
    at = 0
    for match in matches:
        parts += [text[at : match.start], match.text]
        at = match.end
    return "".join([*parts, text[at:]])


def _groups(matches: Iterable[Match], starts: Sequence[int]) -> Iterator[tuple[int, int, list[Match]]]:
    """The matches with the indices of the first word that they touch and of the one after the last; those that touch
    the same word are together. `starts`: where the words start in the text."""
    group: tuple[int, int, list[Match]] | None = None
    for match in matches:
        first, end = bisect_right(starts, match.start) - 1, bisect_left(starts, match.end)
        if group is not None and first < group[1]:
            group = (group[0], end, [*group[2], match])
            continue
        if group is not None:
            yield group
        group = (first, end, [match])
    if group is not None:
        yield group


def _as_spoken(text: str, words: Sequence[Word]) -> list[Word]:
    """`text`, which was said in `words`: each part with the time of its word if there are as many, or all as one."""
    lead = text[: len(text) - len(text.lstrip())]
    parts = text.split()
    if len(parts) == len(words):
        return [replace(word, text=lead + part) for word, part in zip(words, parts, strict=True)]
    known = [word.confidence for word in words if word.confidence is not None]
    return [replace(words[0], text=text, end_s=words[-1].end_s, confidence=min(known, default=None))]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
