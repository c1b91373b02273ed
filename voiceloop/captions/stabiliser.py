"""Keeps shown words from flickering while somebody speaks: what two guesses in a row agree on stays. Pure.

After LocalAgreement (Liu, Spanakis and Niehues, 2020; Machacek, Dabre and Bojar, 2023): the longest common beginning of
two successive hypotheses is committed and does not change until the final text replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceloop.captions.joiner import SLACK_S
from voiceloop.captions.words import Spoken

_ANCHOR = 3
"""Words by which a guess is laid over what is committed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What to show of an utterance under way: words that stay, and after them words that may yet change."""

    committed: tuple[Spoken, ...] = ()
    tail: tuple[Spoken, ...] = ()

    @property
    def words(self) -> tuple[Spoken, ...]:
        return self.committed + self.tail


class Stabiliser:
    """One utterance while it is spoken. Guesses may be of all of it, or of its end alone."""

    def __init__(self) -> None:
        self._committed: list[Spoken] = []
        self._guess: list[Spoken] = []
        self._until_s = float("-inf")
        self.shown = Shown()
        self.whole_s = float("-inf")
        """Up to when all is shown that was said: the end of the last guess, if no word of it is left out."""

    @property
    def committed_s(self) -> float | None:
        """When the last committed word ended; None while there is none."""
        return self._committed[-1].end_s if self._committed else None

    def feed(self, words: Sequence[Spoken], *, end_s: float, whole: bool = False) -> Shown:
        """A guess at what is said up to `end_s`, from the utterance's beginning or from some committed words on.
        `whole`: it ends in a pause, so that its last word is not cut off. One that comes after a guess at more is not
        looked at."""
        if end_s <= self._until_s:
            return self.shown
        guess = self._continued(list(words))
        agreed = len(self._committed)
        while agreed < min(len(guess), len(self._guess)) and guess[agreed].key == self._guess[agreed].key:
            agreed += 1
        self._guess, self._until_s = guess if whole else guess[:-1], end_s
        self.whole_s = end_s if whole else float("-inf")
        agreed = max(len(self._committed), min(agreed, len(self._guess)))
        self._committed += guess[len(self._committed) : agreed]
        self.shown = Shown(tuple(self._committed), tuple(self._guess[agreed:]))
        return self.shown

    def _continued(self, words: list[Spoken]) -> list[Spoken]:
        """The guess with the committed words as its beginning, whatever it makes of them."""
        return self._committed + words[_after(self._committed, words) :]


def _after(done: Sequence[Spoken], words: Sequence[Spoken]) -> int:
    """Where in `words` what follows `done` begins: after the last words of `done`, as many of them as can be found at
    about their time; where there are none, by the times alone."""
    if not done:
        return 0
    end_s = done[-1].end_s
    for count in range(min(_ANCHOR, len(done)), 0, -1):
        keys = [word.key for word in done[-count:]]
        places = [
            (abs(words[at + count - 1].end_s - end_s), at + count)
            for at in range(len(words) - count + 1)
            if [word.key for word in words[at : at + count]] == keys
        ]
        away_s, place = min(places, default=(float("inf"), 0))
        if away_s <= 2 * SLACK_S:
            return place
    return sum((word.start_s + word.end_s) / 2 <= end_s for word in words)
