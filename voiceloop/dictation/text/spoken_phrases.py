"""Finds in a transcript what was said besides words. Pure; knows nothing of what stands before the cursor."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from voiceloop.dictation.text.spoken import Command, Format, Mark, Spoken

LONGEST_PHRASE = 5
"""Words."""

_SPACES = re.compile(r"[ \t\n\r]+")
_TOKEN = re.compile(
    r"""(?P<lead>["'“”„«»‘(\[¿¡…]*)(?P<core>.*?)(?P<trail>[\u00a0\u202f]?[.,;:!?…"'“”»’)\]。！？、，]*)""", re.DOTALL
)
_STOPS = ".,;:!?…"
_ENDS = re.compile(r"[.!?…。！？]")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a transcript with the marks that the transcriber put around it."""

    lead: str
    core: str
    trail: str

    @property
    def key(self) -> str:
        """The word as phrases are spelled."""
        return self.core.casefold().replace("-", " ").replace("’", "'")

    @property
    def ends_sentence(self) -> bool:
        return bool(_ENDS.search(self.trail))


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to be written. `fixed`: its capitals are as somebody wants them. `loose`: the transcriber began a sentence
    here, of its own accord."""

    text: str
    tight_left: bool = False
    tight_right: bool = False
    fixed: bool = False
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a user wants written for what is said. `replacements`: phrase to text. `vocabulary`: names and terms, which
    are written as they are spelled here."""

    replacements: Mapping[str, str] = field(default_factory=dict)
    vocabulary: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "replacements", {_key(said): text for said, text in self.replacements.items()})

    def written(self, tokens: Sequence[Token]) -> str | None:
        """What is written for a phrase; None when it isn't here."""
        found = self.replacements.get(" ".join(token.key for token in tokens))
        if found is not None:
            return found
        squashed = _squashed("".join(token.core for token in tokens))
        return next((word for word in self.vocabulary if _squashed(word) == squashed), None) if squashed else None


def tokens_of(text: str) -> list[Token]:
    """The words of a transcript; any run of spaces and newlines parts two."""
    found = []
    for word in _SPACES.split(text):
        if word and (match := _TOKEN.fullmatch(word)):
            found.append(Token(match["lead"], match["core"], match["trail"]))
    return found


def sentences(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens by sentence, as the transcriber punctuated them."""
    start = 0
    for at, token in enumerate(tokens, start=1):
        if token.ends_sentence or at == len(tokens):
            yield tokens[start:at]
            start = at


def commands_in(sentence: Sequence[Token], spoken: Spoken) -> list[Command]:
    """The commands that a sentence is, which may be said several times over; none when it is anything else."""
    words = [word for token in sentence for word in token.key.split()]
    for length in range(1, len(words) + 1):
        if len(words) % length == 0 and words == words[:length] * (len(words) // length):
            command = spoken.command(" ".join(words[:length]))
            if command is not None:
                return [command] * (len(words) // length)
    return []


def pieces_of(tokens: Sequence[Token], lexicon: Lexicon, spoken: Spoken | None) -> list[Piece | Format]:
    """What is to be written for `tokens`, and how."""
    reader = _Reader(tokens, lexicon, dict(spoken.phrases()) if spoken else {}, spoken)
    reader.read()
    return reader.out


@dataclass(slots=True)
class _Reader:
    tokens: Sequence[Token]
    lexicon: Lexicon
    phrases: Mapping[str, Mark | Format]
    spoken: Spoken | None
    out: list[Piece | Format] = field(default_factory=list)
    at: int = 0
    loose: bool = True

    def read(self) -> None:
        while self.at < len(self.tokens):
            self._one()

    def _one(self) -> None:
        for length in range(min(LONGEST_PHRASE, len(self.tokens) - self.at), 0, -1):
            phrase = self.tokens[self.at : self.at + length]
            if not _together(phrase):
                continue
            written = self.lexicon.written(phrase)
            if written is not None:
                self._word(Token(phrase[0].lead, written, phrase[-1].trail), length, fixed=True)
                return
            meaning = self.phrases.get(" ".join(token.key for token in phrase))
            if meaning is not None and self._meant(meaning, length):
                self._take(meaning, phrase)
                return
        self._word(self.tokens[self.at], 1)

    def _meant(self, meaning: Mark | Format, length: int) -> bool:
        if self.out and self.out[-1] is Format.LITERAL:
            return False
        if isinstance(meaning, Format) and self.at + length == len(self.tokens) and meaning is not Format.CAPS_OFF:
            return False
        before = self.tokens[self.at - 1] if self.at else None
        determiners = self.spoken.determiners if self.spoken else frozenset[str]()
        return before is None or bool(before.trail) or before.key not in determiners

    def _word(self, token: Token, length: int, *, fixed: bool = False) -> None:
        self.out.append(Piece(token.lead + token.core + token.trail, fixed=fixed, loose=self.loose))
        self.loose = token.ends_sentence
        self.at += length

    def _take(self, meaning: Mark | Format, phrase: Sequence[Token]) -> None:
        self.at += len(phrase)
        if isinstance(meaning, Format):
            self.out.append(meaning)
            return
        self._strip_last(meaning)
        trail = phrase[-1].trail
        kept = "" if _punctuates(meaning) else trail
        self.out.append(
            Piece(phrase[0].lead + meaning.text + kept, meaning.tight_left, meaning.tight_right, fixed=True)
        )
        self.loose = bool(_ENDS.search(trail)) or self.loose

    def _strip_last(self, mark: Mark) -> None:
        """Take from the word before what the transcriber made of the pause before the spoken mark."""
        last = self.out[-1] if self.out else None
        if isinstance(last, Piece) and not last.fixed:
            gone = _STOPS if _punctuates(mark) and "\n" not in mark.text and mark.tight_left else ","
            kept = last.text.rstrip(gone)
            if _ENDS.search(last.text[len(kept) :]):
                self.loose = True
            if kept:
                self.out[-1] = replace(last, text=kept)


def _together(phrase: Sequence[Token]) -> bool:
    """Whether nothing but a comma parts the words of a phrase."""
    return all(token.core for token in phrase) and all(
        before.trail in ("", ",") and not after.lead for before, after in itertools.pairwise(phrase)
    )


def _punctuates(mark: Mark) -> bool:
    """Whether a mark stands in place of what the transcriber would put there."""
    return "\n" in mark.text or mark.text.strip() in _STOPS or not mark.tight_left or mark.tight_right


def _key(phrase: str) -> str:
    return " ".join(token.key for token in tokens_of(phrase))


def _squashed(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
