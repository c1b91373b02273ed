"""Joins the words of clips that overlap, so that none is lost and none said twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voiceloop.captions.words import Spoken

SLACK_S = 0.8
"""By how much the time of a word may be wrong where it is estimated."""
TORN = 2
"""Words that a cut may have spoiled on either side of it: torn ones, or ones made up of a torn one."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Where two lists of words meet: `kept` of the first, then the second from `goes_on` on."""

    kept: int
    goes_on: int


def seam(before: Sequence[Spoken], after: Sequence[Spoken], *, start_s: float, end_s: float) -> Seam:
    """Where to join what was heard in a clip that ended at `end_s` and in one that began at `start_s`, before that.

    What both heard is found by the words, at about the same time; up to TORN words beside the cuts may differ. Where
    they have none in common the times decide, at the middle of the overlap.
    """
    first = next((at for at, word in enumerate(before) if word.end_s >= start_s - SLACK_S), len(before))
    last = next((at for at, word in enumerate(after) if word.start_s > end_s + SLACK_S), len(after))
    best = max(_alike(before[first:], after[:last]), default=None)
    if best is not None:
        _, _, kept, goes_on = best
        return Seam(first + kept, goes_on)
    middle_s = (start_s + end_s) / 2
    kept = sum((word.start_s + word.end_s) / 2 < middle_s for word in before)
    return Seam(kept, sum((word.start_s + word.end_s) / 2 < middle_s for word in after))


def joined(before: Sequence[Spoken], after: Sequence[Spoken], *, start_s: float, end_s: float) -> list[Spoken]:
    """The words of both as `seam` joins them; one after the other when the clips don't overlap."""
    if not before or start_s >= end_s:
        return [*before, *after]
    where = seam(before, after, start_s=start_s, end_s=end_s)
    return [*before[: where.kept], *after[where.goes_on :]]


def _alike(old: Sequence[Spoken], new: Sequence[Spoken]) -> Iterator[tuple[float, int, int, int]]:
    """Each run of words that both have, longest and nearest in time first when sorted: score, words kept of `old`, and
    where `new` goes on."""
    for begin in range(min(TORN + 1, len(new))):
        for at in range(len(old)):
            run = 0
            away_s = 0.0
            while at + run < len(old) and begin + run < len(new) and _equal(old[at + run], new[begin + run]):
                away_s += abs(old[at + run].start_s - new[begin + run].start_s)
                run += 1
            torn = len(old) - at - run
            if run and torn <= TORN:
                score = run - 1.5 * away_s - 0.3 * (torn + begin)
                yield score, run, at + run, begin + run


def _equal(a: Spoken, b: Spoken) -> bool:
    return a.key == b.key and abs(a.start_s - b.start_s) <= 2 * SLACK_S


class Joiner:
    """Puts the final words of one piece of speech after those of the one before. What a later piece may yet change, the
    words in the overlap, is held back until that piece is known."""

    def __init__(self) -> None:
        self._held: list[Spoken] = []
        self.end_s = 0.0
        """Where the last piece ended."""

    @property
    def held(self) -> tuple[Spoken, ...]:
        """Words that are not final yet."""
        return tuple(self._held)

    def feed(self, words: Sequence[Spoken], *, start_s: float, end_s: float, overlap_s: float = 0.0) -> list[Spoken]:
        """The next piece was heard from `start_s` to `end_s`; the one after it will begin `overlap_s` before its end
        (0: it doesn't overlap). Returns the words that are final now. Times are seconds of the source's sample time."""
        so_far = self._with_held(list(words), start_s)
        self.end_s = end_s
        if not overlap_s:
            self._held = []
            return so_far
        sure = next((at for at, word in enumerate(so_far) if word.end_s >= end_s - overlap_s - SLACK_S), len(so_far))
        sure = max(0, min(sure, len(so_far) - TORN))
        final, self._held = so_far[:sure], so_far[sure:]
        return final

    def release(self) -> list[Spoken]:
        """What follows is not known and never will be: what is held is final as it is."""
        final, self._held = self._held, []
        return final

    def _with_held(self, words: list[Spoken], start_s: float) -> list[Spoken]:
        return joined(self._held, words, start_s=start_s, end_s=self.end_s)
