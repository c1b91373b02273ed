"""Stabiliser: commits the words on which two successive guesses agree, so that live captions don't flicker. Pure.

The method is LocalAgreement (Liu, Spanakis and Niehues, 2020; Machacek, Dabre and Bojar, 2023): the longest common
prefix of two successive hypotheses is committed and does not change until the final text replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceloop.captions.joiner import SLACK_S
from voiceloop.captions.words import Spoken

UNSETTLED = 2
"""How many of the last words of a guess are not committed though two guesses agree on them: with more sound after them,
a recogniser often hears them differently."""
_ANCHOR = 3
"""How many of the last committed words, at most, are looked for in a guess to align it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The words to show of an unfinished utterance: `committed` ones stay, those in `tail` may still change."""

    committed: tuple[Spoken, ...] = ()
    tail: tuple[Spoken, ...] = ()

    @property
    def words(self) -> tuple[Spoken, ...]:
        return self.committed + self.tail


class Stabiliser:
    """Stabilises one utterance while it is spoken. A guess may cover all of it, or only its end."""

    def __init__(self) -> None:
        self._committed: list[Spoken] = []
        self._guess: list[Spoken] = []
        self._until_s = float("-inf")
        self.shown = Shown()
        self.whole_s = float("-inf")
        """The time up to which all speech is shown: the end of the last guess if that was `whole`, else -inf."""

    @property
    def committed_s(self) -> float | None:
        """When the last committed word ended; None while there is none."""
        return self._committed[-1].end_s if self._committed else None

    def feed(self, words: Sequence[Spoken], *, end_s: float, whole: bool = False) -> Shown:
        """Take a guess and return what to show.

        `words` is a transcript up to `end_s` that begins with the utterance or with some committed words. `whole`: it
        ends in a pause, so its last word is not cut off. A guess is ignored if one with a later `end_s` came first.
        """
        if end_s <= self._until_s:
            return self.shown
        # Committed words replace those that the guess has in their place.
        guess = self._committed + list(words)[_after(self._committed, words) :]
        agreed = len(self._committed)
        while agreed < min(len(guess), len(self._guess)) and guess[agreed].key == self._guess[agreed].key:
            agreed += 1
        self._guess, self._until_s = guess if whole else guess[:-1], end_s
        self.whole_s = end_s if whole else float("-inf")
        agreed = max(len(self._committed), min(agreed, len(guess) - (0 if whole else UNSETTLED)))
        self._committed += guess[len(self._committed) : agreed]
        self.shown = Shown(tuple(self._committed), tuple(self._guess[agreed:]))
        return self.shown


def _after(done: Sequence[Spoken], words: Sequence[Spoken]) -> int:
    """The index in `words` of the first word that comes after `done`. It is found by the last words of `done`, as many
    of them as `words` contains at about the same time; if it contains none, by the times alone."""
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
