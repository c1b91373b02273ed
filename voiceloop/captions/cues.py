"""Cuts final words into cues as subtitles have them. Pure.

At most two lines of 42 columns, no longer on the screen than 7 s, no shorter than 1 s where the next one allows: what
the BBC's, Netflix's and EBU's guidelines have in common.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voiceloop.captions.words import Spoken, text_of

LINE_COLUMNS = 42
LINES = 2
LONGEST_S = 7.0
SHORTEST_S = 1.0
LINGER_S = 0.4
"""How long a cue may stay after its last word, for the sake of SHORTEST_S or of the eyes."""
LEAST_S = 0.1
"""No cue is shorter, however close the words are told to be."""
GAP_S = 1.0
"""So much quiet between two words ends a cue."""
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLAUSES = (*_ENDS, ",", ";", ":", "、", "，")


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown from `start_s` to `end_s` (seconds of the session): one or two lines."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    source: str = ""

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def columns(text: str) -> int:
    """How wide `text` is in a terminal or a subtitle: wide letters count twice, marks on letters nothing."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def wrapped(words: Sequence[Spoken], width: int) -> list[list[Spoken]]:
    """The words in lines of at most `width` columns; a word longer than that has a line of its own."""
    lines: list[list[Spoken]] = []
    for word in words:
        if lines and columns(text_of([*lines[-1], word])) <= width:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


class CueCutter:
    """Cuts what one source says. Cues follow each other: none begins before the one before has ended.

    A cue that was given is not changed any more. So the next may begin late, by less than SHORTEST_S, when a word comes
    sooner than could be known.
    """

    def __init__(self, source: str = "") -> None:
        self._source = source
        # Its name may stand before the text, in brackets.
        self._columns = max(LINE_COLUMNS // 2, LINE_COLUMNS - (columns(source) + 3 if source else 0))
        self._end_s = 0.0

    def cut(self, words: Sequence[Spoken], *, next_s: float = math.inf) -> list[Cue]:
        """The cues of some final words. What is said after them begins at `next_s`, as far as that is known."""
        groups = list(_groups([part for word in words for part in _short(word, self._columns)], self._columns))
        cues = []
        for number, group in enumerate(groups):
            start_s = max(group[0].start_s, self._end_s)
            last = number + 1 == len(groups)
            after_s = max(next_s, group[-1].end_s) if last else groups[number + 1][0].start_s
            # Counted from the word: counted from a start that is late already, it would make the next one later still.
            end_s = max(group[-1].end_s + LINGER_S, group[0].start_s + SHORTEST_S)
            self._end_s = max(min(end_s, after_s, start_s + LONGEST_S), start_s + LEAST_S)
            cues.append(Cue(start_s, self._end_s, _lines(group, self._columns), self._source))
        return cues


def _groups(words: Sequence[Spoken], width: int) -> Iterator[list[Spoken]]:
    """The words of each cue: as many as fit, ended early by a pause, or by a sentence that fills a line."""
    group: list[Spoken] = []
    for word in words:
        if group and (word.start_s - group[-1].end_s >= GAP_S or not _fits([*group, word], width)):
            early, rest = _well_cut(group) if word.start_s - group[-1].end_s < GAP_S else (group, [])
            yield early
            group = rest
        group.append(word)
        if word.text.endswith(_ENDS) and columns(text_of(group)) >= width:
            yield group
            group = []
    if group:
        yield group


def _fits(words: Sequence[Spoken], width: int) -> bool:
    return len(wrapped(words, width)) <= LINES and words[-1].end_s - words[0].start_s <= LONGEST_S


def _well_cut(words: list[Spoken]) -> tuple[list[Spoken], list[Spoken]]:
    """A full cue, cut after its last clause when that leaves it half full; else as it is."""
    for at in range(len(words) - 1, len(words) // 2, -1):
        if words[at - 1].text.endswith(_CLAUSES):
            return words[:at], words[at:]
    return words, []


def _lines(words: Sequence[Spoken], width: int) -> tuple[str, ...]:
    """In two lines as equal as can be, where one doesn't do."""
    if columns(text_of(words)) <= width:
        return (text_of(words),)
    ways = [(text_of(words[:at]), text_of(words[at:])) for at in range(1, len(words))]
    return min(ways, key=lambda way: max(columns(line) for line in way), default=(text_of(words),))


def _short(word: Spoken, width: int) -> Iterator[Spoken]:
    """A word that no line can hold, in parts: something that is heard may be one letter a thousand times."""
    if columns(word.text) <= width:
        yield word
        return
    size = width // 2
    count = -(-len(word.text) // size)
    step_s = (word.end_s - word.start_s) / count
    for at in range(count):
        start_s = word.start_s + at * step_s
        text = word.text[at * size : (at + 1) * size]
        yield Spoken(text, start_s, start_s + step_s, word.spaced and at == 0)
