"""What captions are while they are shown and when they are final. Pure values, and the Protocol of who takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voiceloop.captions.words import Spoken, text_of


@dataclass(frozen=True, slots=True)
class Live:
    """What somebody is saying: `sure` stays as it is until it is final, `unsure` may change. Empty: nobody speaks."""

    source: str
    """Who spoke: `mic`, `speaker`, or empty where there is but one source."""
    sure: str = ""
    unsure: str = ""
    since_s: float | None = None
    """When the first word of it was said, in seconds of the session: nothing final that comes is older."""


@dataclass(frozen=True, slots=True)
class Final:
    """Words that don't change any more, in seconds of the session: since the first sample was captured."""

    source: str
    words: tuple[Spoken, ...]

    @property
    def text(self) -> str:
        return text_of(self.words)


class Showing(Protocol):
    """Who takes captions. Never waits."""

    def live(self, live: Live) -> None: ...

    def final(self, final: Final, live: Live) -> None:
        """Words became final; `live` is what is left of what their source is saying."""
        ...


class Everywhere:
    """Hands captions to several."""

    def __init__(self, showings: Sequence[Showing]) -> None:
        self._showings = tuple(showings)

    def live(self, live: Live) -> None:
        for showing in self._showings:
            showing.live(live)

    def final(self, final: Final, live: Live) -> None:
        for showing in self._showings:
            showing.final(final, live)
