"""Scores captions: how late each word was shown, how often shown words changed, what was lost. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from statistics import median
from typing import Any

from voiceloop.captions.words import letters

SHIFT = 10
"""How many words, at most, the words on the screen may lack or have too many."""


@dataclass(frozen=True, slots=True)
class Moment:
    """All words on the screen at `at_s` (seconds of the session), final or not, without case and punctuation."""

    at_s: float
    words: tuple[str, ...]
    sure: int = 0
    """How many of the words are settled: final, or shown as words that will not change."""
    final: int = 0
    """How many of them are final."""


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one session. `waits_s`: for each word, from its end to when it was first shown."""

    waits_s: Sequence[float]
    shown: int
    changed: int
    """Shown words that were later replaced by another word or removed."""
    lost: int
    added: int
    """Words in the captions that were repeated, or never said."""

    @property
    def changed_share(self) -> float:
        return self.changed / max(1, self.shown)

    def wait_s(self, share: float) -> float:
        """The wait that a `share` of all words stayed under: `wait_s(0.95)` is the 95th percentile."""
        ordered = sorted(self.waits_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def median_s(self) -> float:
        return median(self.waits_s) if self.waits_s else float("nan")


@dataclass(slots=True)
class Watch:
    """Follows the events of `voiceloop captions --json`."""

    began: float
    """The Unix time of the first sample."""
    moments: list[Moment] = field(default_factory=list)
    _finals: list[str] = field(default_factory=list)

    def see(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "caption.final":
            self._finals += keys(event["text"])
        elif event["event"] == "caption.live":
            sure, unsure = (*self._finals, *keys(event["sure"])), keys(event["unsure"])
            at_s = event["time"] - self.began
            self.moments.append(Moment(at_s, (*sure, *unsure), len(sure), len(self._finals)))

    @property
    def finals(self) -> tuple[str, ...]:
        return tuple(self._finals)


def watch(events: Iterable[Mapping[str, Any]]) -> Watch:
    """Follow all events of a session."""
    listed = list(events)
    watched = Watch(next(event["at"] for event in listed if event["event"] == "captions.began"))
    for event in listed:
        watched.see(event)
    return watched


def keys(text: str) -> list[str]:
    """The words of a text in the form in which they are compared: without case and punctuation."""
    return [key for word in text.split() if (key := letters(word))]


def score(said: Sequence[tuple[str, float]], moments: Sequence[Moment], finals: Sequence[str]) -> Score:
    """Score a session. `said`: the true words, each with its end (seconds of the session)."""
    truth = [letters(word) for word, _ in said]
    places: dict[int, int] = {}
    lost = added = 0
    for tag, a, b, c, d in SequenceMatcher(None, truth, list(finals), autojunk=False).get_opcodes():
        if tag == "equal":
            places |= dict(zip(range(a, b), range(c, d), strict=True))
        else:
            lost, added = lost + b - a, added + d - c
    first = first_shown(moments, finals)
    waits = [first[places[at]] - end_s for at, (_, end_s) in enumerate(said) if places.get(at) in first]
    return Score(waits, len(finals), changes(moments), lost, added)


def first_shown(moments: Sequence[Moment], finals: Sequence[str]) -> dict[int, float]:
    """When each final word was first on the screen, by its place. A word need not stand at its final place yet: one
    before it may have been heard as two, or not at all."""
    first: dict[int, float] = {}
    for moment in moments:
        live, ahead = moment.words[moment.final :], finals[moment.final : len(moment.words) + SHIFT]
        for block in SequenceMatcher(None, live, ahead, autojunk=False).get_matching_blocks():
            for place in range(moment.final + block.b, moment.final + block.b + block.size):
                first.setdefault(place, moment.at_s)
    return first


def changes(moments: Sequence[Moment]) -> int:
    """The number of shown words that were replaced or removed at the next moment."""
    count = 0
    for before, after in pairwise(moments):
        same = 0
        while same < min(len(before.words), len(after.words)) and before.words[same] == after.words[same]:
            same += 1
        old, new = before.words[same:], after.words[same:]
        blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
        count += len(old) - sum(block.size for block in blocks)
    return count
