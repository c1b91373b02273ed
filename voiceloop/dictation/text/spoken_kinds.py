"""The kinds of spoken phrases with a meaning: marks, formatting, commands, and a language's tables of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Mark:
    """A punctuation mark that can be spoken. `tight_left`, `tight_right`: no space on that side."""

    text: str
    tight_left: bool = True
    tight_right: bool = False


class Format(Enum):
    """A spoken instruction that changes how the next words are written."""

    ALL_CAPS = auto()
    CAPITAL = auto()
    CAPS_ON = auto()
    CAPS_OFF = auto()
    NO_SPACE = auto()
    LITERAL = auto()
    """The next phrase is written as words, even if it names a mark."""


class Command(Enum):
    """A spoken command: performed instead of written. Counts only by itself: as a sentence, or between pauses."""

    UNDO = auto()
    ENTER = auto()
    SLEEP = auto()
    WAKE = auto()


@dataclass(frozen=True, slots=True)
class Spoken:
    """The phrases of a language: in lower case, without hyphens, alternatives separated by `|`."""

    marks: Mapping[str, Mark]
    formats: Mapping[str, Format]
    commands: Mapping[str, Command]
    determiners: frozenset[str]
    """Words after which the name of a mark is an ordinary noun: "the period", "a comma"."""
    small: frozenset[str]
    """Words that have a capital only at the beginning of a sentence."""
    everyday: frozenset[str]
    """Names of marks and formats that people also say when they mean something else: "a long period". Among other words
    they are words."""

    unfinished: frozenset[str]
    """Words after which a pause is a search for the next word, besides determiners: "told him to … scratch that"."""

    def phrases(self) -> Iterator[tuple[str, Mark | Format]]:
        """The phrases that count anywhere in a sentence, with their meanings."""
        for table in (self.marks, self.formats):
            for names, meaning in table.items():
                for name in names.split("|"):
                    yield name, meaning

    def multi_word(self) -> Iterator[str]:
        """The rare names of several words. No other language has them, so they tell the language, too."""
        for name, _ in self.phrases():
            if " " in name and name not in self.everyday:
                yield name

    def command(self, sentence: str) -> Command | None:
        """The command that a sentence means, else None. `sentence`: in lower case, without its final mark."""
        for names, command in self.commands.items():
            if sentence in names.split("|"):
                return command
        return None
