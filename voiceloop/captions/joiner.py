"""Joiner: merges the words of overlapping clips, so that no word is lost or repeated. Pure.

before  |--- one two three fo|
after              |ee four five ---|
                   start_s  end_s      joined: one two three four five
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from voiceloop.captions.words import Spoken

SLACK_S = 0.8
"""The largest error of an estimated word time."""
TORN = 2
"""How many words on each side of a cut may be wrong: torn by it, or misheard from a torn word."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Where two lists of words are joined: the first `kept` words of one, then the other from index `goes_on`."""

    kept: int
    goes_on: int


def seam(before: Sequence[Spoken], after: Sequence[Spoken], *, start_s: float, end_s: float) -> Seam:
    """Find where to join the words of a clip that ends at `end_s` and of one that begins at `start_s`, before that.

    The overlap is found by equal words at about the same time; up to TORN words next to each cut may differ. If the
    clips have no word in common, they are joined in the middle of the overlap, by the times of the words.
    """
    first = next((at for at, word in enumerate(before) if word.end_s >= start_s - SLACK_S), len(before))
    last = next((at for at, word in enumerate(after) if word.start_s > end_s + SLACK_S), len(after))
    best = max(_common_runs(before[first:], after[:last]), default=None)
    if best is not None:
        _, _, kept, goes_on = best
        return Seam(first + kept, goes_on)
    middle_s = (start_s + end_s) / 2
    kept = sum((word.start_s + word.end_s) / 2 < middle_s for word in before)
    return Seam(kept, sum((word.start_s + word.end_s) / 2 < middle_s for word in after))


def joined(before: Sequence[Spoken], after: Sequence[Spoken], *, start_s: float, end_s: float) -> list[Spoken]:
    """Join the words of both clips at their `seam`; append them if the clips don't overlap."""
    if not before or start_s >= end_s:
        return [*before, *after]
    cut = seam(before, after, start_s=start_s, end_s=end_s)
    return [*before[: cut.kept], *after[cut.goes_on :]]


def _common_runs(old: Sequence[Spoken], new: Sequence[Spoken]) -> Iterator[tuple[float, int, int, int]]:
    """Each run of words that both lists contain: its score, its length, how many words of `old` to keep, and at which
    index `new` goes on. The score is high for a run that is long, close in time and next to the cuts."""
    for begin in range(min(TORN + 1, len(new))):
        for at in range(len(old)):
            run = 0
            away_s = 0.0
            while at + run < len(old) and begin + run < len(new) and same(old[at + run], new[begin + run]):
                away_s += abs(old[at + run].start_s - new[begin + run].start_s)
                run += 1
            torn = len(old) - at - run
            if run and torn <= TORN:
                score = run - 1.5 * away_s - 0.3 * (torn + begin)
                yield score, run, at + run, begin + run


def same(a: Spoken, b: Spoken) -> bool:
    """Whether both are the same word, heard at about the same time."""
    return a.key == b.key and abs(a.start_s - b.start_s) <= 2 * SLACK_S


class Joiner:
    """Appends the final words of each piece of speech to those of the piece before. Words in an overlap are held back
    until the next piece is known, because it may change them."""

    def __init__(self) -> None:
        self._held: list[Spoken] = []
        self.end_s = 0.0
        """The time at which the last piece ended."""

    @property
    def held(self) -> tuple[Spoken, ...]:
        """Words that are not final yet."""
        return tuple(self._held)

    def feed(self, words: Sequence[Spoken], *, start_s: float, end_s: float, overlap_s: float = 0.0) -> list[Spoken]:
        """Add the next piece, from `start_s` to `end_s`, and return the words that are final now.

        The piece after it will begin `overlap_s` before `end_s` (0: no overlap). Times are seconds of the source's
        sample time.
        """
        so_far = joined(self._held, words, start_s=start_s, end_s=self.end_s)
        self.end_s = end_s
        if not overlap_s:
            self._held = []
            return so_far
        sure = next((at for at, word in enumerate(so_far) if word.end_s >= end_s - overlap_s - SLACK_S), len(so_far))
        sure = max(0, min(sure, len(so_far) - TORN))
        final, self._held = so_far[:sure], so_far[sure:]
        return final

    def rename(self, speakers: Mapping[str, str]) -> None:
        """Rename the speakers of the held words; those without a new name lose theirs."""
        self._held = [replace(word, speaker=speakers.get(word.speaker, "")) for word in self._held]

    def release(self) -> list[Spoken]:
        """Return the held words as final: the next piece will never be known."""
        final, self._held = self._held, []
        return final
