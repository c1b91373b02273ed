"""Cue cutter: groups final words into subtitle cues. Pure.

A cue has at most two lines of 42 columns. It is on the screen for at most 7 s, and for at least 1 s unless the next cue
begins sooner. These limits are common to the guidelines of the BBC, Netflix and the EBU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from voiceloop.captions.words import Spoken, named, parts, text_of
from voiceloop.text import chopped, columns

LINE_COLUMNS = 42
LINES = 2
LONGEST_S = 7.0
SHORTEST_S = 1.0
LINGER_S = 0.4
"""How long a cue stays on the screen after its last word, unless the next one begins sooner."""
LEAST_S = 0.1
"""No cue is shorter, however close together the times of its words are."""
GAP_S = 1.0
"""A pause of this length between two words ends a cue."""
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLAUSES = (*_ENDS, ",", ";", ":", "、", "，")


@dataclass(frozen=True, slots=True)
class Cue:
    """One or two lines of text, shown from `start_s` to `end_s` (seconds of the session)."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    source: str = ""
    speaker: str = ""
    second: tuple[str, ...] = ()
    """Its text in another language, in lines."""

    @property
    def name(self) -> str:
        """The source and the speaker in words."""
        return named(self.source, self.speaker)

    @property
    def text(self) -> str:
        return " ".join(self.lines)


def wrapped(words: Sequence[Spoken], width: int) -> list[list[Spoken]]:
    """Break the words into lines of at most `width` columns; a longer word gets its own line."""
    lines: list[list[Spoken]] = []
    filled = _Filled(width)
    for word in words:
        if filled.add(word):
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


class _Filled:
    """How full lines of at most `width` columns are, while words are added."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._used = 0
        self.lines = 0

    def add(self, word: Spoken) -> bool:
        """Add a word; whether it still fits into the last line."""
        wide = columns(word.text)
        used = self._used + wide + word.spaced
        fits = self.lines > 0 and used <= self._width
        self._used = used if fits else wide
        self.lines += not fits
        return fits


class CueCutter:
    """Cuts the words of one source into cues that don't overlap.

    A cue that was returned doesn't change any more. So when the next word begins before the end given to that cue, the
    next cue begins late, by less than SHORTEST_S.
    """

    def __init__(self, source: str = "") -> None:
        self._source = source
        self._end_s = 0.0

    def cut(self, words: Sequence[Spoken], *, next_s: float = math.inf, speaker: str = "") -> list[Cue]:
        """Cut final words of a speaker into cues. The speech after them begins at `next_s` (infinite: not known)."""
        name = named(self._source, speaker)
        # SubRip writes the name in brackets before the text: leave room for it.
        width = max(LINE_COLUMNS // 2, LINE_COLUMNS - (columns(name) + 3 if name else 0))
        groups = list(_groups([part for word in words for part in _short(word, width)], width))
        cues = []
        for number, group in enumerate(groups):
            start_s = max(group[0].start_s, self._end_s)
            last = number + 1 == len(groups)
            after_s = max(next_s, group[-1].end_s) if last else groups[number + 1][0].start_s
            # Counted from the word, not from the start of the cue: if the cue begins late, the next one must not begin
            # later still.
            end_s = max(group[-1].end_s + LINGER_S, group[0].start_s + SHORTEST_S)
            self._end_s = max(min(end_s, after_s, start_s + LONGEST_S), start_s + LEAST_S)
            cues.append(Cue(start_s, self._end_s, _lines(group, width), self._source, speaker))
        return cues


def with_second_lines(cues: Sequence[Cue], text: str) -> list[Cue]:
    """The cues of a line with its translation below them: each gets its share of the words, by the width of its own."""
    words = [part for piece, spaced in parts(text) for part in _short(Spoken(piece, 0, 0, spaced), LINE_COLUMNS)]
    ends = list(accumulate(columns(word.text) + word.spaced for word in words))
    own = list(accumulate(columns(cue.text) for cue in cues))
    shares: list[list[Spoken]] = [[] for _ in cues]
    for word, end in zip(words, ends, strict=True):
        middle = (end - columns(word.text) / 2) / ends[-1] * own[-1]
        shares[next((at for at, reached in enumerate(own) if middle <= reached), len(own) - 1)].append(word)
    return [
        replace(cue, second=tuple(text_of(row) for row in wrapped(share, LINE_COLUMNS)))
        for cue, share in zip(cues, shares, strict=True)
    ]


def _groups(words: Sequence[Spoken], width: int) -> Iterator[list[Spoken]]:
    """The words of each cue: as many as fit. A pause, or the end of a sentence that fills a line, ends a cue early."""
    group: list[Spoken] = []
    filled, used = _Filled(width), 0
    for word in words:
        apart = bool(group) and word.start_s - group[-1].end_s >= GAP_S
        filled.add(word)
        if group and (apart or filled.lines > LINES or word.end_s - group[0].start_s > LONGEST_S):
            complete, rest = (group, []) if apart else _well_cut(group)
            yield complete
            if rest and not _fit([*rest, word], width):
                yield rest
                rest = []
            group, filled, used = rest, _Filled(width), 0
            for other in (*rest, word):
                filled.add(other)
                used += columns(other.text) + other.spaced
            used -= columns(word.text) + word.spaced
        group.append(word)
        used += columns(word.text) + word.spaced
        if word.text.endswith(_ENDS) and used - group[0].spaced >= width:
            yield group
            group, filled, used = [], _Filled(width), 0
    if group:
        yield group


def _fit(words: Sequence[Spoken], width: int) -> bool:
    """Whether words may be one cue."""
    return len(wrapped(words, width)) <= LINES and words[-1].end_s - words[0].start_s <= LONGEST_S


def _well_cut(words: list[Spoken]) -> tuple[list[Spoken], list[Spoken]]:
    """Split a full cue after its last clause, if over half of its words stay before the cut; else leave it whole."""
    for at in range(len(words) - 1, len(words) // 2, -1):
        if words[at - 1].text.endswith(_CLAUSES):
            return words[:at], words[at:]
    return words, []


def _lines(words: Sequence[Spoken], width: int) -> tuple[str, ...]:
    """The text of a cue: one line if it fits, else two lines as equal in width as possible."""
    if columns(text_of(words)) <= width:
        return (text_of(words),)
    ends = list(accumulate(columns(word.text) + word.spaced for word in words))
    at = min(
        range(1, len(words)),
        key=lambda at: max(ends[at - 1] - words[0].spaced, ends[-1] - ends[at - 1] - words[at].spaced),
        default=len(words),
    )
    return tuple(text for part in (words[:at], words[at:]) if (text := text_of(part)))


def _short(word: Spoken, width: int) -> Iterator[Spoken]:
    """Split a word that is too wide for a line: a transcript may contain one letter a thousand times."""
    if columns(word.text) <= width:
        yield word
        return
    pieces = chopped(word.text, width)
    step_s = (word.end_s - word.start_s) / len(pieces)
    for at, text in enumerate(pieces):
        start_s = word.start_s + at * step_s
        yield Spoken(text, start_s, start_s + step_s, word.spaced and at == 0)
