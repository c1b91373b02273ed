"""Words with times: made from a transcript, and joined to text again. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from voiceloop.audio.loudness import HOPS_PER_S, levels_dbfs, loud
from voiceloop.text import clean_line, clusters, spaceless
from voiceloop.types import Transcript, Utterance


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word with its punctuation and the time at which it was said, in seconds of the source's sample time."""

    text: str
    start_s: float
    end_s: float
    spaced: bool = True
    """Whether a space comes before it."""

    @property
    def key(self) -> str:
        """Its letters and digits only, for comparison."""
        return letters(self.text)


@lru_cache(maxsize=4096)  # each word is compared many times
def letters(text: str) -> str:
    """`text` without case, punctuation and spaces."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def text_of(words: Iterable[Spoken]) -> str:
    """The words joined to one text."""
    return "".join(f" {word.text}" if word.spaced else word.text for word in words).strip()


def spoken(transcript: Transcript) -> list[Spoken]:
    """The words of a transcript, in order, without control characters.

    Their times are those of the engine if it gives one for every word. Otherwise each word gets a share of the speech
    in the clip in proportion to its length.
    """
    utterance = transcript.utterance
    parts = list(_parts(clean_line(transcript.text)))
    begin_s = utterance.start / utterance.rate_hz
    times = _engine_times(parts, transcript) or _estimated_times(parts, utterance)
    return [
        Spoken(text, begin_s + start_s, begin_s + end_s, spaced)
        for (text, spaced), (start_s, end_s) in zip(parts, times, strict=True)
    ]


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The words of `text`, and whether a space comes before each. In a script without spaces every character is a word,
    with its marks. Punctuation belongs to the word before it."""
    for number, word in enumerate(text.split()):
        if word.isascii():
            yield word, True
            continue
        pieces: list[str] = []
        current: list[str] = []
        solid = False  # whether `current` has a letter or digit
        for cluster in clusters(word):
            new = spaceless(cluster[0]) or (current and spaceless(current[-1][0]) and cluster[0].isalnum())
            if current and new and solid:
                pieces.append("".join(current))
                current, solid = [], False
            current.append(cluster)
            solid = solid or any(map(str.isalnum, cluster))
        pieces.append("".join(current))
        yield from ((piece, at == 0 and (number > 0 or not spaceless(piece[0]))) for at, piece in enumerate(pieces))


def _engine_times(parts: Sequence[tuple[str, bool]], transcript: Transcript) -> list[tuple[float, float]] | None:
    """The times of the engine, if its words have the same letters as the text; else None."""
    rows = [(letters(word.text), word) for word in transcript.words]
    rows = [(key, word) for key, word in rows if key]
    if not rows or "".join(key for key, _ in rows) != "".join(letters(text) for text, _ in parts):
        return None
    bounds: list[tuple[float, float]] = []
    for key, word in rows:  # letter by letter, because the engine may split words differently
        step = (word.end_s - word.start_s) / len(key)
        bounds += [(word.start_s + at * step, word.start_s + (at + 1) * step) for at in range(len(key))]
    times, at = [], 0
    for text, _ in parts:
        count = len(letters(text))
        first = bounds[min(at, len(bounds) - 1)]
        times.append((first[0], bounds[at + count - 1][1] if count else first[0]))
        at += count
    return times


def _estimated_times(parts: Sequence[tuple[str, bool]], utterance: Utterance) -> list[tuple[float, float]]:
    """Estimate times: each word gets its share of the loud hops, so that pauses belong to no word."""
    hops = np.flatnonzero(loud(levels_dbfs(utterance.pcm, utterance.rate_hz)))
    if not len(hops):
        hops = np.arange(max(1, round(utterance.duration_s * HOPS_PER_S)))
    sizes = np.cumsum([0, *(max(1, len(text)) for text, _ in parts)])
    places = sizes / max(1, sizes[-1]) * len(hops)
    starts = [hops[min(int(place), len(hops) - 1)] / HOPS_PER_S for place in places[:-1]]
    ends = [(hops[max(0, int(np.ceil(place)) - 1)] + 1) / HOPS_PER_S for place in places[1:]]
    return [(float(start), float(max(start, end))) for start, end in zip(starts, ends, strict=True)]
