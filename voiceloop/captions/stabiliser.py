"""Stabiliser: commits the words on which two successive guesses agree, so that live captions don't flicker. Pure.

The method is LocalAgreement (Liu, Spanakis and Niehues, 2020; Machacek, Dabre and Bojar, 2023): the longest common
prefix of two successive hypotheses is committed and does not change any more. A word on which guesses can't agree is
committed as it was last heard, once it is SETTLED_S old: otherwise it would keep all words after it waiting, and the
clips for guesses would grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from voiceloop.captions.joiner import SLACK_S, joined
from voiceloop.captions.words import Spoken

UNSETTLED_S = 1.4
"""Words that ended this short a time before the end of a guess are not committed though two guesses agree on them: with
more sound after them, a recogniser often hears them differently."""
SETTLED_S = 3.5
"""Words that end this long before the end of a guess are committed, agreed or not."""
_ANCHOR = 3
"""How many of the last committed words, at most, are looked for in a guess to align it."""
_ALIKE, _LETTERS = 0.6, 10
"""Words are taken for the last committed ones, heard differently, if their last 10 letters are that similar."""


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
        self._cut_off: list[Spoken] = []
        """The last word of the last guess, unless that was `whole`."""
        self._until_s = float("-inf")
        self.shown = Shown()
        self.whole_s = float("-inf")
        """The time up to which all speech is shown: the end of the last guess if that was `whole`, else -inf."""
        self.failed = False
        """Whether the last guess was ignored because it had lost most words of the one before it."""

    @property
    def committed_s(self) -> float | None:
        """When the last committed word ended; None while there is none."""
        return self._committed[-1].end_s if self._committed else None

    def feed(self, words: Sequence[Spoken], *, end_s: float, whole: bool = False) -> Shown:
        """Take a guess and return what to show.

        `words` is a transcript up to `end_s` that begins with the utterance or with some committed words. `whole`: it
        ends in a pause, so its last word is not cut off. A guess is ignored if one with a later `end_s` came first, or
        if it `failed`; but never two in a row for that.
        """
        if end_s < self._until_s or (end_s == self._until_s and not whole):
            return self.shown
        self.failed = not whole and not self.failed and 2 * len(words) < len(self.shown.tail)
        if self.failed:
            return self.shown
        # Committed words replace those that the guess has in their place.
        guess = self._committed + list(words)[_after(self._committed, words) :]
        agreed = len(self._committed)
        while agreed < min(len(guess), len(self._guess)) and guess[agreed].key == self._guess[agreed].key:
            agreed += 1
        self._cut_off = [] if whole else guess[max(len(guess) - 1, len(self._committed)) :]
        self._guess, self._until_s = guess[: len(guess) - len(self._cut_off)], end_s
        self.whole_s = end_s if whole else float("-inf")
        agreed = min(agreed, len(guess) if whole else _older(guess, end_s - UNSETTLED_S))
        agreed = max(len(self._committed), agreed, _older(guess, end_s - SETTLED_S))
        self._committed += guess[len(self._committed) : agreed]
        self.shown = Shown(tuple(self._committed), tuple(self._guess[agreed:]))
        return self.shown

    def hear(self, words: Sequence[Spoken], *, end_s: float) -> None:
        """Take all words so far from a server that hears the speech while it is spoken: they replace those before, and
        may still change. Ignored once guesses have committed words, which must stay."""
        if not self._committed:
            self._until_s, self.shown = end_s, Shown((), tuple(words))

    def complete(self, spoken_s: float) -> None:
        """Show the last word of the last guess, too, if that reached the end of all that was said, at `spoken_s`."""
        if self._until_s < spoken_s or not self._cut_off:
            return
        self._guess += self._cut_off
        self.shown = Shown(self.shown.committed, (*self.shown.tail, *self._cut_off))
        self._cut_off, self.whole_s = [], self._until_s

    def finish(self, words: Sequence[Spoken], *, start_s: float, end_s: float) -> None:
        """Take the final words of the utterance from `start_s` on. Committed words before that stay."""
        before = [word for word in self._committed if word.end_s <= start_s + SLACK_S]
        until_s = before[-1].end_s if before else float("-inf")
        self._committed = joined(before, words, start_s=start_s, end_s=until_s)
        self._until_s = self.whole_s = end_s
        self.shown = Shown(tuple(self._committed))


def _older(words: Sequence[Spoken], end_s: float) -> int:
    """How many of the first words ended before `end_s`."""
    return next((at for at, word in enumerate(words) if word.end_s > end_s), len(words))


def _after(done: Sequence[Spoken], words: Sequence[Spoken]) -> int:
    """The index in `words` of the first word that comes after `done`. It is found by the last words of `done`, as many
    of them as `words` contains at about the same time; else by words that sound like them; else by the times alone."""
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
    if place := _alike(done, words):
        return place
    place = sum((word.start_s + word.end_s) / 2 <= end_s for word in words)
    # A recogniser often leaves out the one or two words that a clip begins with. The times are of no use then, because
    # they spread the words that it heard over the whole clip: rather show a word twice than lose one.
    return place if place > _ANCHOR else 0


def _alike(done: Sequence[Spoken], words: Sequence[Spoken]) -> int:
    """The index after the words that are most similar to the last ones of `done`, in their letters; 0 if none are."""
    wanted = "".join(word.key for word in done[-_LETTERS:])
    best, found, heard = _ALIKE, 0, ""
    for place, word in enumerate(words, 1):
        heard += word.key
        size = min(len(wanted), len(heard), _LETTERS)
        if size < _ANCHOR or abs(word.end_s - done[-1].end_s) > 2 * SLACK_S:
            continue
        likeness = SequenceMatcher(None, wanted[-size:], heard[-size:], autojunk=False).ratio()
        if likeness > best:
            best, found = likeness, place
    return found
