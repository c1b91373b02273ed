"""The parser of transcripts: finds spoken marks, formatting and commands among the words. Pure; doesn't know the text
before the cursor.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from voiceloop.dictation.text.spoken import Command, Format, Mark, Spoken

LONGEST_PHRASE = 5
"""Words in the longest phrase that is looked up."""

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
        """The word in the spelling of the phrase tables: lower case, spaces for hyphens, straight apostrophes."""
        return self.core.casefold().replace("-", " ").replace("’", "'")

    @property
    def ends_sentence(self) -> bool:
        return bool(_ENDS.search(self.trail))


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to be written. `fixed`: its capitals are intended and stay. `loose`: the transcriber began a sentence here,
    and perhaps wrongly, so that its capital may go."""

    text: str
    tight_left: bool = False
    tight_right: bool = False
    fixed: bool = False
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The user's own spellings. `replacements`: the text to write for a spoken phrase. `vocabulary`: names and terms,
    to be written as they are spelled here."""

    replacements: Mapping[str, str] = field(default_factory=dict)
    vocabulary: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "replacements", {_key(said): text for said, text in self.replacements.items()})

    def written(self, tokens: Sequence[Token]) -> str | None:
        """The text to write for a phrase; None when the lexicon doesn't have it."""
        found = self.replacements.get(" ".join(token.key for token in tokens))
        if found is not None:
            return found
        letters = _alphanumeric("".join(token.core for token in tokens))
        return next((word for word in self.vocabulary if _alphanumeric(word) == letters), None) if letters else None


def tokens_of(text: str) -> list[Token]:
    """The words of a transcript, split at spaces and newlines."""
    found = []
    for word in _SPACES.split(text):
        if word and (match := _TOKEN.fullmatch(word)):
            found.append(Token(match["lead"], match["core"], match["trail"]))
    return found


def sentences(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens, grouped into sentences by the transcriber's punctuation."""
    start = 0
    for at, token in enumerate(tokens, start=1):
        if token.ends_sentence or at == len(tokens):
            yield tokens[start:at]
            start = at


def commands_in(sentence: Sequence[Token], spoken: Spoken) -> list[Command]:
    """The command that a sentence consists of, as often as it is repeated there; empty for any other sentence."""
    words = [word for token in sentence for word in token.key.split()]
    for length in range(1, len(words) + 1):
        if len(words) % length == 0 and words == words[:length] * (len(words) // length):
            command = spoken.command(" ".join(words[:length]))
            if command is not None:
                return [command] * (len(words) // length)
    return []


def pieces_of(tokens: Sequence[Token], lexicon: Lexicon, spoken: Spoken | None) -> list[Piece | Format]:
    """Parse `tokens` into the pieces to write, and the formatting between them."""
    parser = _Parser(tokens, lexicon, dict(spoken.phrases()) if spoken else {}, spoken)
    parser.parse()
    return parser.out


@dataclass(slots=True)
class _Parser:
    """`at`: the index of the next token. `loose`: whether the transcriber begins a sentence with it."""

    tokens: Sequence[Token]
    lexicon: Lexicon
    phrases: Mapping[str, Mark | Format]
    spoken: Spoken | None
    out: list[Piece | Format] = field(default_factory=list)
    at: int = 0
    loose: bool = True

    def parse(self) -> None:
        while self.at < len(self.tokens):
            self._parse_next()

    def _parse_next(self) -> None:
        for length in range(min(LONGEST_PHRASE, len(self.tokens) - self.at), 0, -1):
            phrase = self.tokens[self.at : self.at + length]
            if not _is_contiguous(phrase):
                continue
            written = self.lexicon.written(phrase)
            if written is not None:
                self._add_word(Token(phrase[0].lead, written, phrase[-1].trail), length, fixed=True)
                return
            meaning = self.phrases.get(" ".join(token.key for token in phrase))
            if meaning is not None and self._is_meant(meaning, length):
                self._add_phrase(meaning, phrase)
                return
        self._add_word(self.tokens[self.at], 1)

    def _is_meant(self, meaning: Mark | Format, length: int) -> bool:
        if self.out and self.out[-1] is Format.LITERAL:
            return False
        if isinstance(meaning, Format) and self.at + length == len(self.tokens) and meaning is not Format.CAPS_OFF:
            return False
        before = self.tokens[self.at - 1] if self.at else None
        determiners = self.spoken.determiners if self.spoken else frozenset[str]()
        return before is None or bool(before.trail) or before.key not in determiners

    def _add_word(self, token: Token, length: int, *, fixed: bool = False) -> None:
        self.out.append(Piece(token.lead + token.core + token.trail, fixed=fixed, loose=self.loose))
        self.loose = token.ends_sentence
        self.at += length

    def _add_phrase(self, meaning: Mark | Format, phrase: Sequence[Token]) -> None:
        self.at += len(phrase)
        if isinstance(meaning, Format):
            self.out.append(meaning)
            return
        self._strip_pause_mark(meaning)
        trail = phrase[-1].trail
        kept = "" if _punctuates(meaning) else trail
        self.out.append(
            Piece(
                phrase[0].lead + meaning.text + kept,
                tight_left=meaning.tight_left,
                tight_right=meaning.tight_right,
                fixed=True,
            )
        )
        self.loose = bool(_ENDS.search(trail)) or self.loose

    def _strip_pause_mark(self, mark: Mark) -> None:
        """Strip the punctuation that the transcriber put at the pause before the spoken mark from the word before
        it."""
        last = self.out[-1] if self.out else None
        if isinstance(last, Piece) and not last.fixed:
            gone = _STOPS if _punctuates(mark) and "\n" not in mark.text and mark.tight_left else ","
            kept = last.text.rstrip(gone)
            if _ENDS.search(last.text[len(kept) :]):
                self.loose = True
            if kept:
                self.out[-1] = replace(last, text=kept)


def _is_contiguous(phrase: Sequence[Token]) -> bool:
    """Whether nothing but commas stands between the words of a phrase."""
    return all(token.core for token in phrase) and all(
        before.trail in ("", ",") and not after.lead for before, after in itertools.pairwise(phrase)
    )


def _punctuates(mark: Mark) -> bool:
    """Whether a spoken mark replaces the punctuation that the transcriber would put there."""
    return "\n" in mark.text or mark.text.strip() in _STOPS or not mark.tight_left or mark.tight_right


def _key(phrase: str) -> str:
    return " ".join(token.key for token in tokens_of(phrase))


def _alphanumeric(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
