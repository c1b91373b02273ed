"""A piece of speech on its way to captions: its sound so far, the guesses at it, what to post next. Posts nothing.

A piece is an utterance, or a part of one that was cut for length; then it begins with the end of the part before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from voiceloop.audio.loudness import HOPS_PER_S, levels_dbfs, quietest
from voiceloop.captions.joiner import Joiner, joined
from voiceloop.captions.stabiliser import Stabiliser
from voiceloop.captions.words import Spoken
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

CONTEXT_S = (1.8, 0.8)
"""Between these before the end of the last committed word a guess begins: at the quietest place, so that no word is
torn, and with some words that are known, to lay it over them."""
_PAUSE_S = 0.16
"""Quiet for so long is a pause between words; the closure of a consonant is shorter."""
_PAUSE_DB = 25.0
"""How far below the loudest 10 ms it lies."""


@dataclass(slots=True, eq=False)
class Piece:
    """See the module. `start` and all other places are sample indices of the source."""

    start: int
    """Where its sound begins, with what it has of the piece before."""
    own: int
    """Where its own begins."""
    pcm: bytearray = field(repr=False)
    before: trio.Event | None = None
    """Set when the piece before it is final."""
    done: trio.Event = field(default_factory=trio.Event)
    guesses: Stabiliser = field(default_factory=Stabiliser)
    guessing: set[trio.CancelScope] = field(default_factory=set)
    """The posts for guesses that have not come back."""
    guess_from: int = 0
    """Where the next guess begins."""
    withdrawn: bool = False
    """It was called off: nothing more of it is shown."""
    voiced_end: int | None = None
    """Where its last voice ended; None while somebody speaks."""

    def __post_init__(self) -> None:
        self.guess_from = self.start

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // SAMPLE_BYTES

    @property
    def end_s(self) -> float:
        return self.end / CAPTURE_RATE_HZ

    @property
    def start_s(self) -> float:
        return self.start / CAPTURE_RATE_HZ

    @property
    def words(self) -> Sequence[Spoken]:
        """The best guess at it."""
        return self.guesses.shown.words

    @property
    def shown_whole(self) -> bool:
        """Whether the best guess has all its words."""
        return self.voiced_end is not None and self.guesses.whole_s * CAPTURE_RATE_HZ >= self.voiced_end

    def stop_guessing(self, reason: str) -> None:
        """The final words are about to come, or here."""
        for scope in self.guessing:
            scope.cancel(reason)

    def clip(self, end: int | None = None, *, start: int | None = None) -> Utterance:
        """Its sound between two places; all of it when they are left out."""
        start, end = self.start if start is None else start, self.end if end is None else end
        pcm = bytes(self.pcm[(start - self.start) * SAMPLE_BYTES : (end - self.start) * SAMPLE_BYTES])
        return Utterance(pcm, start, end)

    def guess_clip(self) -> Utterance:
        """What the next guess is made of."""
        return self.clip(start=self.guess_from)

    def trim(self) -> None:
        """After a guess: leave out what is committed from the guesses to come."""
        committed_s = self.guesses.committed_s
        if committed_s is None:
            return
        low, high = (round((committed_s - back_s) * CAPTURE_RATE_HZ) for back_s in CONTEXT_S)
        low = max(low, self.guess_from)
        if high - low < CAPTURE_RATE_HZ // 2:
            return
        at, _ = quietest(self.clip(min(high, self.end), start=low).pcm, CAPTURE_RATE_HZ, window_s=_PAUSE_S)
        self.guess_from = low + at

    def overlap(self, longest_s: float) -> int:
        """It was cut for its length: with how many of its last samples the next piece should begin. None when the cut
        lies in a pause, where no word is torn."""
        levels = levels_dbfs(self.clip(start=max(self.own, self.end - 3 * CAPTURE_RATE_HZ)).pcm, CAPTURE_RATE_HZ)
        last = levels[-round(_PAUSE_S / 2 * HOPS_PER_S) :]
        if len(last) and float(last.max()) <= float(levels.max()) - _PAUSE_DB:
            return 0
        return min(round(longest_s * CAPTURE_RATE_HZ), self.end - self.own)


def under_way(joiner: Joiner, pieces: Sequence[Piece]) -> tuple[list[Spoken], list[Spoken]]:
    """The words of all pieces that are not final, after what the joiner holds: those that stay, and those after them
    that may change."""
    words, sure = list(joiner.held), len(joiner.held)
    end_s = joiner.end_s
    for piece in pieces:
        shown = piece.guesses.shown
        certain = sure == len(words)
        words = joined(words, shown.words, start_s=piece.start_s, end_s=end_s)
        sure = len(words) - len(shown.tail) if certain else min(sure, len(words))
        end_s = piece.end_s
    return words[:sure], words[sure:]
