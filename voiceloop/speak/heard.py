"""Heard text: the part of a reply that was played, computed from the positions of its chunks in the ring. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from voiceloop.text import join_chunks, spaceless
from voiceloop.types import Heard


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk of text and the samples that speak it, as absolute positions in the ring (`end` is exclusive)."""

    text: str
    start: int
    end: int
    onset: int = 0
    """The position of its first audible sample."""


_LETTERS_A_SECOND = 14
"""How fast voices speak: used to estimate the length of a chunk that broke off or has not arrived completely."""


@dataclass(slots=True)
class Spans:
    """The spans of a reply, noted while its sound is written. `rate_hz` is the ring's."""

    rate_hz: int
    all: list[Span] = field(default_factory=list)
    growing: bool = False
    """More sound of the last span is still to come."""
    _unspoken: str = ""
    """Text at the beginning of the reply whose sound was only silence."""

    def begin(self, text: str, start: int, onset: int) -> None:
        """Begin a span at the position `start`, whose first audible sample is at `onset`."""
        self.all.append(Span(join_chunks(filter(None, (self._unspoken, text))), start, start, onset))
        self._unspoken = ""

    def grow(self, samples: int) -> None:
        """Add samples to the last span."""
        self.all[-1] = replace(self.all[-1], end=self.all[-1].end + samples)

    def add_unspoken(self, text: str) -> None:
        """Add text without audible sound of its own. It belongs to the sound before it, because speech models send the
        last words after their sound; and at the beginning of a reply to the sound after it."""
        if self.all:
            self.all[-1] = replace(self.all[-1], text=join_chunks([self.all[-1].text, text]))
        else:
            self._unspoken = join_chunks(filter(None, (self._unspoken, text)))

    def break_off(self) -> None:
        """Shorten the text of the last span, a chunk that broke off, to the words that its sound can have said."""
        span = self.all[-1]
        letters = round((span.end - span.start) / self.rate_hz * _LETTERS_A_SECOND)
        words = span.text[:letters].rpartition(" ")[0] if letters < len(span.text) else span.text
        self.all[-1] = replace(span, text=words)

    def heard(self, played_in: Callable[[int, int], int]) -> Heard:
        """The text that was played (`played_in` as in `heard`)."""
        spans = self.all
        # Sound may arrive no faster than it is played. Without an estimate of its full length, nearly all of a long
        # chunk would count as heard.
        if self.growing:
            last = spans[-1]
            length = round(len(last.text) / _LETTERS_A_SECOND * self.rate_hz)
            spans = [*spans[:-1], replace(last, end=max(last.end, last.start + length))]
        return heard(spans, played_in)

    def heard_s(self, played_in: Callable[[int, int], int]) -> float:
        """How many seconds were played (`played_in` as in `heard`)."""
        return sum(played_in(span.start, span.end) for span in self.all) / self.rate_hz


def heard(spans: Sequence[Span], played_in: Callable[[int, int], int]) -> Heard:
    """The text of `spans` that was played. `played_in(start, end)` returns how many samples between two positions were.

    If a chunk was played in part, the same fraction of its text counts as heard, cut back to a whole word.
    """
    played = [played_in(span.start, span.end) for span in spans]
    parts = [_heard_part(span, count) for span, count in zip(spans, played, strict=True)]
    complete = all(count >= span.end - span.start for span, count in zip(spans, played, strict=True))
    return Heard(join_chunks(part for part in parts if part), complete)


def _heard_part(span: Span, played: int) -> str:
    if played >= span.end - span.start or not span.text:
        return span.text
    cut = len(span.text) * played // (span.end - span.start)
    # Scripts without spaces have no word to cut back to.
    if not span.text[cut].isspace() and not spaceless(span.text[cut]):
        cut = max(span.text.rfind(" ", 0, cut), 0)
    return span.text[:cut].rstrip()
