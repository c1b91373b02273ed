"""Shows the captions of one source: what is not final yet, and final words by speaker, with times of the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from voiceloop.captions.joiner import Joiner
from voiceloop.captions.piece import Piece, under_way
from voiceloop.captions.showing import Live, Showing
from voiceloop.captions.speakers import Speakers
from voiceloop.captions.words import Spoken, text_of
from voiceloop.types import CAPTURE_RATE_HZ


class Display:
    """Shows the captions of one source. `captured(index)` returns when a sample was captured, in seconds of the
    session."""

    def __init__(
        self, source: str, showing: Showing, captured: Callable[[int], float], joiner: Joiner, speakers: Speakers
    ) -> None:
        self._source, self._showing, self._captured = source, showing, captured
        self._joiner, self._speakers = joiner, speakers

    def live(self, pieces: Sequence[Piece]) -> None:
        """Show the words that are not final: those held by the joiner, and those of `pieces`, in the order of
        speaking."""
        self._showing.live(self._live(pieces))

    def final(self, words: Sequence[Spoken], pieces: Sequence[Piece]) -> None:
        """Show words that became final, and what is left of `pieces`."""
        live = self._live(pieces)
        if not words:
            self._showing.live(live)
            return
        finals = self._speakers.finals(self._source, [self._in_session(word) for word in words])
        for final, after in pairwise(finals):
            self._showing.final(final, replace(live, since_s=after.words[0].start_s))
        self._showing.final(finals[-1], live)

    def _live(self, pieces: Sequence[Piece]) -> Live:
        sure, unsure = under_way(self._joiner, pieces)
        since = [*(word.start_s for word in (*sure, *unsure)[:1]), *(piece.start_s for piece in pieces[:1])]
        since_s = self._captured(round(min(since) * CAPTURE_RATE_HZ)) if since else None
        return Live(self._source, text_of(sure), text_of(unsure), since_s)

    def _in_session(self, word: Spoken) -> Spoken:
        """The word with its times in seconds of the session."""
        shift_s = self._captured(round(word.start_s * CAPTURE_RATE_HZ)) - word.start_s
        return replace(word, start_s=word.start_s + shift_s, end_s=word.end_s + shift_s)
