"""Captions as values, live and final, and `Showing`, the Protocol of their outputs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voiceloop.captions.words import Spoken, named, text_of


@dataclass(frozen=True, slots=True)
class Live:
    """The unfinished speech of a source: `sure` stays as it is until it is final, `unsure` may change. Both are empty
    when nobody speaks."""

    source: str
    """The name of the source: `mic`, `speaker`, or empty if there is only one."""
    sure: str = ""
    unsure: str = ""
    since_s: float | None = None
    """When its first word was said, in seconds of the session: no word that becomes final later is older."""


@dataclass(frozen=True, slots=True)
class Final:
    """Words that don't change any more. Their times are seconds of the session, since its first sample was captured."""

    source: str
    words: tuple[Spoken, ...]
    speaker: str = ""
    """Who says them, like `Person 1`; empty if it is not known, or nobody else speaks."""

    number: int = 0
    """Its number, by which its second line follows (`Output.translated`); 0 if none will."""

    @property
    def name(self) -> str:
        """What stands before them: the source and the speaker, as far as there are any."""
        return named(self.source, self.speaker)

    @property
    def text(self) -> str:
        return text_of(self.words)


class Showing(Protocol):
    """An output of captions, such as files or a page. Its methods never wait."""

    def live(self, live: Live) -> None:
        """Show the unfinished speech of a source, in place of what was shown of it."""
        ...

    def final(self, final: Final, live: Live) -> None:
        """Show words that became final; `live` is the speech of their source that is still unfinished."""
        ...


class Output(Showing, Protocol):
    """A `Showing` that takes second lines."""

    def translated(self, number: int, text: str) -> None:
        """Show a second line below the final words of that number. Empty: there will be none. Called once for each
        number."""
        ...


class FanOut:
    """`Showing` that passes captions on to several others."""

    def __init__(self, showings: Sequence[Showing]) -> None:
        self._showings = tuple(showings)

    def live(self, live: Live) -> None:
        for showing in self._showings:
            showing.live(live)

    def final(self, final: Final, live: Live) -> None:
        for showing in self._showings:
            showing.final(final, live)
