"""The words of a transcript with the marks around them, and the pauses between them. Pure; knows no phrases."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from voiceloop.types import Word

PAUSE_S = 0.5
"""A longer silence sets a spoken mark or command apart. Within a sentence few people pause so long between words."""
STOPS = ".,;:!?…"
ENDS = re.compile(r"[.!?…。！？]")
_SETS_APART = re.compile(r"[.,;:!?…。！？、，]")
_SPACES = re.compile(r"[ \t\n\r]+")
_TOKEN = re.compile(
    r"""(?P<lead>["'“”„«»‘(\[¿¡…]*)(?P<core>.*?)(?P<trail>[\u00a0\u202f]?[.,;:!?…"'“»”’)\]。！？、，]*)""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a transcript with the marks that the transcriber put around it."""

    lead: str
    core: str
    trail: str
    paused: bool = False
    """Whether the speaker paused before it."""
    moved: bool = False
    """Whether words before it were left out, so that its capital may have to change."""

    @property
    def key(self) -> str:
        """The word in the spelling of the phrase tables: lower case, spaces for hyphens, straight apostrophes."""
        return self.core.casefold().replace("-", " ").replace("’", "'")

    @property
    def ends_sentence(self) -> bool:
        return bool(ENDS.search(self.trail))

    @property
    def is_set_apart(self) -> bool:
        """Whether a mark of the transcriber stands between it and the next word."""
        return bool(_SETS_APART.search(self.trail))


def tokens_of(text: str) -> list[Token]:
    """The words of a transcript, split at spaces and newlines."""
    found = []
    for word in _SPACES.split(text):
        if word and (match := _TOKEN.fullmatch(word)):
            found.append(Token(match["lead"], match["core"], match["trail"]))
    return found


def key_of(tokens: Sequence[Token]) -> str:
    """A phrase in the spelling of the phrase tables."""
    return " ".join(token.key for token in tokens)


def are_unpunctuated(tokens: Sequence[Token]) -> bool:
    """Whether the transcriber put no mark anywhere."""
    return not any(token.is_set_apart or token.lead for token in tokens)


def is_contiguous(phrase: Sequence[Token]) -> bool:
    """Whether nothing but commas stands between the words of a phrase."""
    return all(token.core for token in phrase) and all(
        before.trail in ("", ",") and not after.lead for before, after in pairwise(phrase)
    )


def sentences(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens, grouped into sentences by the transcriber's punctuation, and by pauses where it has none. A comma
    tells that the sentence goes on after the pause."""
    start = 0
    for at, token in enumerate(tokens, start=1):
        is_last = at == len(tokens)
        if token.ends_sentence or is_last or (tokens[at].paused and not token.is_set_apart):
            yield tokens[start:at]
            start = at


def with_pauses(tokens: Sequence[Token], words: Sequence[Word], hesitant: Collection[str]) -> list[Token]:
    """The tokens, with the pauses that the times of the `words` show. Words with other letters than the tokens show
    none. A pause after a `hesitant` word ("the …", "to …") is a search for the next one, and sets nothing apart."""
    starts = _letters_before_pauses(words)
    if not starts or sum(_letters(word.text) for word in words) != sum(_letters(token.core) for token in tokens):
        return list(tokens)
    found: list[Token] = []
    at = 0
    for token in tokens:
        paused = at in starts and bool(token.core) and (not found or found[-1].key not in hesitant)
        found.append(replace(token, paused=True) if paused else token)
        at += _letters(token.core)
    return found


def _letters_before_pauses(words: Sequence[Word]) -> set[int]:
    """For each pause, how many letters were said before it."""
    found = set()
    letters = 0
    for before, after in pairwise(words):
        letters += _letters(before.text)
        if after.start_s - before.end_s >= PAUSE_S:
            found.add(letters)
    return found


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))
