"""The parser of transcripts: finds spoken marks, formatting and commands among the words. Pure; doesn't know the text
before the cursor.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from voiceloop.dictation.text.spoken_kinds import Command, Format, Mark, Spoken
from voiceloop.dictation.text.tokens import ENDS, STOPS, Token, is_contiguous, key_of, tokens_of
from voiceloop.transcribe.phonetics.function_words import is_function_word

LONGEST_PHRASE = 5
"""Words in the longest phrase that is looked up."""
LONGEST_RUN = 4
"""Marks that may be said behind one another without a pause."""
_QUOTES = frozenset("\"'“”„«»‘’")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text to be written. `fixed`: its capitals are intended and stay. `loose`: the transcriber began a sentence here,
    and perhaps wrongly, so that its capital may go."""

    text: str
    tight_left: bool = False
    tight_right: bool = False
    fixed: bool = False
    loose: bool = False
    follows: bool = False
    """Whether the word before it in the transcript is the one before it here: one space stands between them."""
    heard: bool = False
    """Whether its capitals are right as they were heard."""
    mark: bool = False
    """Whether it is a spoken mark."""
    own: int = 0
    """How many characters of it are the user's spelling, and none of the transcriber's marks."""


class Reading(Enum):
    """Which names of marks are meant."""

    INLINE = auto()
    """All, except after a determiner."""
    RARE = auto()
    """Everyday words only where they stand by themselves; other names everywhere, except after a determiner."""
    APART = auto()
    """Only those that stand by themselves: the language isn't known."""
    WORDS = auto()
    """None."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The user's own spellings. `replacements`: the text to write for a spoken phrase. `vocabulary`: names and terms,
    to be written as they are spelled here."""

    replacements: Mapping[str, str] = field(default_factory=dict)
    vocabulary: Sequence[str] = ()
    nothing: frozenset[str] = field(default=frozenset(), init=False)
    """The phrases that are replaced by nothing. The parser doesn't see them: they are left out before."""
    _by_letters: dict[str, str] = field(default_factory=dict, init=False)
    _by_symbols: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        said = {key_of(tokens_of(phrase)): text for phrase, text in self.replacements.items()}
        object.__setattr__(self, "replacements", {key: text for key, text in said.items() if text.strip()})
        object.__setattr__(self, "nothing", frozenset(key for key, text in said.items() if key and not text.strip()))
        for term in self.vocabulary:
            if term[:1].isalnum() and term[-1:].isalnum():
                self._by_letters.setdefault(_alphanumeric(term), term)
            elif term:  # made of its marks: not every "net" is .NET, and no plan C is C#
                self._by_symbols.setdefault(term.casefold(), term)

    def written(self, tokens: Sequence[Token], small: Collection[str]) -> Token | None:
        """A phrase as it is to be written; None when the lexicon doesn't have it. `small`: the language's small words,
        which aren't the terms that they are spelled like."""
        lead, trail = tokens[0].lead, tokens[-1].trail
        found = self.replacements.get(key_of(tokens))
        if found is not None:
            return Token(lead, found, trail)
        heard = " ".join(token.core for token in tokens)
        for more in range(len(trail) + 1 if self._by_symbols else 0):
            term = self._by_symbols.get((heard + trail[:more]).casefold())
            if term is not None:
                return Token(lead, term, trail[more:])
        letters = _alphanumeric(heard)
        term = self._by_letters.get(letters) if letters else None
        if term is None or (_is_made_of_case(letters, small) and heard != term):
            return None
        return Token(lead, term, trail)


def _is_made_of_case(letters: str, small: Collection[str]) -> bool:
    """Whether a term is told from other words only by its capitals: US, Go, the language C."""
    return len(letters) == 1 or letters in small or is_function_word(letters)


def commands_in(sentence: Sequence[Token], spoken: Spoken) -> list[Command]:
    """The command that a sentence consists of, as often as it is repeated there; empty for any other sentence."""
    words = [word for token in sentence for word in token.key.split()]
    for length in range(1, len(words) + 1):
        if len(words) % length == 0 and words == words[:length] * (len(words) // length):
            command = spoken.command(" ".join(words[:length]))
            if command is not None:
                return [command] * (len(words) // length)
    return []


def pieces_of(
    tokens: Sequence[Token], lexicon: Lexicon, spoken: Spoken | None, marks: Reading = Reading.APART
) -> list[Piece | Format]:
    """Parse `tokens` into the pieces to write, and the formatting between them."""
    phrases = dict(spoken.phrases()) if spoken and marks is not Reading.WORDS else {}
    parser = _Parser(tokens, lexicon, phrases, spoken, marks)
    parser.parse()
    return parser.out


@dataclass(slots=True)
class _Parser:
    """`at`: the index of the next token. `loose`: whether the transcriber begins a sentence with it. `follows`: whether
    the word before it was written, too, so that the space between them is the transcriber's."""

    tokens: Sequence[Token]
    lexicon: Lexicon
    phrases: Mapping[str, Mark | Format]
    spoken: Spoken | None
    marks: Reading
    out: list[Piece | Format] = field(default_factory=list)
    at: int = 0
    loose: bool = True
    follows: bool = False
    after_mark: bool = False

    def parse(self) -> None:
        while self.at < len(self.tokens):
            self._parse_next()

    def _parse_next(self) -> None:
        small = self.spoken.small if self.spoken else frozenset[str]()
        for length in range(min(LONGEST_PHRASE, len(self.tokens) - self.at), 0, -1):
            phrase = self.tokens[self.at : self.at + length]
            if not is_contiguous(phrase):
                continue
            written = self.lexicon.written(phrase, small)
            if written is not None:
                self._add_word(replace(written, moved=phrase[0].moved), length, fixed=True)
                return
            name = key_of(phrase)
            meaning = self.phrases.get(name)
            if meaning is not None and self._is_meant(name, meaning, phrase):
                self._add_phrase(meaning, phrase)
                return
        self._add_word(self.tokens[self.at], 1)

    def _is_meant(self, name: str, meaning: Mark | Format, phrase: Sequence[Token]) -> bool:
        if self.spoken is None or (self.out and self.out[-1] is Format.LITERAL) or _is_quoted(phrase):
            return False
        at_end = self.at + len(phrase) == len(self.tokens)
        if isinstance(meaning, Format) and at_end and meaning is not Format.CAPS_OFF:
            return False
        before = self.tokens[self.at - 1] if self.at else None
        if before is not None and not before.trail and before.key in self.spoken.determiners:
            return False
        if self.marks is Reading.INLINE or (self.marks is Reading.RARE and name not in self.spoken.everyday):
            return True
        # "Dear Ada comma new line …": after a spoken mark nobody means the words.
        return self._is_apart(phrase) or (self.after_mark and isinstance(meaning, Mark) and "\n" in meaning.text)

    def _is_apart(self, phrase: Sequence[Token]) -> bool:
        """Whether a phrase stands by itself, or in a run of marks: between marks of the transcriber, pauses or the
        ends."""
        before = self.at == 0 or self.after_mark or self.tokens[self.at - 1].is_set_apart or phrase[0].paused
        return before and self._is_apart_at(self.at + len(phrase), run=LONGEST_RUN)

    def _is_apart_at(self, end: int, *, run: int) -> bool:
        """Whether nothing but up to `run` names of marks stands between `end` and what sets them apart."""
        if end == len(self.tokens) or self.tokens[end - 1].is_set_apart or self.tokens[end].paused:
            return True
        for length in range(min(LONGEST_PHRASE, len(self.tokens) - end), 0, -1):
            phrase = self.tokens[end : end + length]
            if run and is_contiguous(phrase) and isinstance(self.phrases.get(key_of(phrase)), Mark):
                return self._is_apart_at(end + length, run=run - 1)
        return False

    def _add_word(self, token: Token, length: int, *, fixed: bool = False) -> None:
        self.out.append(
            Piece(
                token.lead + token.core + token.trail,
                fixed=fixed,
                loose=self.loose,
                follows=self.follows,
                heard=self.follows and not token.moved,
                own=len(token.lead + token.core) if fixed else 0,
            )
        )
        self.loose = token.ends_sentence
        self.follows, self.after_mark = True, False
        self.at += length

    def _add_phrase(self, meaning: Mark | Format, phrase: Sequence[Token]) -> None:
        self.follows, self.after_mark = False, isinstance(meaning, Mark)
        apart = self._is_apart(phrase)
        self.at += len(phrase)
        if isinstance(meaning, Format):
            if apart:  # the comma stands only for the pause before the phrase
                self._strip(",")
            self.out.append(meaning)
            return
        punctuates = _punctuates(meaning)
        self._strip(STOPS if punctuates and "\n" not in meaning.text and meaning.tight_left else ",")
        trail = phrase[-1].trail
        kept = "" if punctuates else trail
        if self.out and isinstance(last := self.out[-1], Piece) and last.text.endswith(tuple(STOPS)):
            kept = kept.lstrip(STOPS)  # "Hello. Close quote.": the sentence ended before the quote
        self.out.append(
            Piece(
                phrase[0].lead + meaning.text + kept,
                tight_left=meaning.tight_left,
                tight_right=meaning.tight_right,
                fixed=True,
                mark=True,
            )
        )
        self.loose = bool(ENDS.search(trail)) or self.loose

    def _strip(self, gone: str) -> None:
        """Strip the punctuation that the transcriber put at the pause before a spoken phrase from the word before
        it."""
        last = self.out[-1] if self.out else None
        if isinstance(last, Piece) and not last.mark:
            kept = last.text[: last.own] + last.text[last.own :].rstrip(gone)
            if ENDS.search(last.text[len(kept) :]):
                self.loose = True
            if kept:
                self.out[-1] = replace(last, text=kept)


def _is_quoted(phrase: Sequence[Token]) -> bool:
    """Whether the transcriber put the phrase into quotes: then it is spoken of."""
    return bool(_QUOTES.intersection(phrase[0].lead)) and bool(_QUOTES.intersection(phrase[-1].trail))


def _punctuates(mark: Mark) -> bool:
    """Whether a spoken mark replaces the punctuation that the transcriber would put there."""
    return "\n" in mark.text or mark.text.strip() in STOPS or not mark.tight_left or mark.tight_right


def _alphanumeric(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
