"""Speakers: numbers the people whom a service tells apart, for as long as they can be followed. Pure.

A service tells people apart within one answer: its 0 and its 1 may be other people in the next. Only where speech was
cut without a pause do two answers hold the same words, and those who say them are the same people:

    answer   0: one two three   1: four five|          ->  1: one two three   2: four five
    answer                     |0: four five six       ->  2: six

Otherwise the numbers begin again. They do, too, where it can't be known whether somebody has been heard before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from voiceloop.captions.joiner import Joiner, same
from voiceloop.captions.showing import Final
from voiceloop.captions.words import Spoken


class Speakers:
    """The people of one source."""

    def __init__(self) -> None:
        self._count = 0

    def name(self, words: Sequence[Spoken], joiner: Joiner) -> list[Spoken]:
        """The words of an answer with numbers in place of the service's labels. `joiner` holds the words before them,
        which get new numbers if those begin again."""
        labels = list(dict.fromkeys(word.speaker for word in words if word.speaker))
        links = _links(joiner.held, words)
        unknown = {str(number + 1) for number in range(self._count)} - set(links.values())
        goes_on = bool(links) and not (unknown and len(links) < len(labels))
        numbers = dict(links) if goes_on else {}
        self._count = self._count if goes_on else 0
        for label in labels:
            if label not in numbers:
                self._count += 1
                numbers[label] = str(self._count)
        if not goes_on:
            joiner.rename({number: numbers[label] for label, number in links.items()})
        return renamed(words, numbers)

    def finals(self, source: str, words: Sequence[Spoken]) -> list[Final]:
        """Words with numbers as captions, one for each run of a speaker. A single person needs no name."""
        runs = groupby(words if self._count > 1 else renamed(words, {}), key=lambda word: word.speaker)
        return [Final(source, tuple(run), f"Person {number}" if number else "") for number, run in runs]


def alone(words: Sequence[Spoken]) -> list[Final]:
    """The words of an answer that shares none with others, as captions. Its people are numbered by themselves."""
    speakers = Speakers()
    return speakers.finals("", speakers.name(words, Joiner()))


def renamed(words: Sequence[Spoken], names: Mapping[str, str]) -> list[Spoken]:
    """The words with other names of their speakers; without those that `names` lacks."""
    return [replace(word, speaker=names.get(word.speaker, "")) if word.speaker else word for word in words]


def _links(before: Sequence[Spoken], words: Sequence[Spoken]) -> dict[str, str]:
    """Which speaker of `words` is which of `before`: those who say the same words at the same time."""
    votes = Counter(
        (new.speaker, old.speaker) for old in before for new in words if old.speaker and new.speaker and same(old, new)
    )
    links: dict[str, str] = {}
    for (label, number), _ in votes.most_common():
        if label not in links and number not in links.values():
            links[label] = number
    return links
