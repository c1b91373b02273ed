"""Heard text: the part of a reply that was played, computed from the positions of its chunks in the ring. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voiceloop.text import join_chunks
from voiceloop.types import Heard


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk of text and the samples that speak it, as absolute positions in the ring (`end` is exclusive)."""

    text: str
    start: int
    end: int


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
    if not span.text[cut].isspace():
        # Scripts without spaces have no word to cut back to.
        space = span.text.rfind(" ", 0, cut)
        cut = space if space >= 0 else (0 if " " in span.text else cut)
    return span.text[:cut].rstrip()
