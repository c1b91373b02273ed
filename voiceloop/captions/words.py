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
    speaker: str = ""
    """Who said it, if that is known."""

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


def named(source: str, speaker: str) -> str:
    """A source and a speaker in words: `mic`, `Person 1`, `speaker, Person 1`."""
    return ", ".join(name for name in (source, speaker) if name)


def spoken(transcript: Transcript, *, sounds: bool = False) -> list[Spoken]:
    """The words of a transcript, in order, without control characters. `sounds`: with its sound events in brackets,
    each as a word of its own.

    Their times and speakers are those of the engine if it gives one for every word. Otherwise each word gets a share of
    the speech in the clip in proportion to its length.
    """
    utterance = transcript.utterance
    pieces = list(parts(clean_line(transcript.text)))
    begin_s = utterance.start / utterance.rate_hz
    times = _engine_times(pieces, transcript) or _estimated_times(pieces, utterance)
    words = [
        Spoken(text, begin_s + start_s, begin_s + end_s, spaced, speaker)
        for (text, spaced), (start_s, end_s, speaker) in zip(pieces, times, strict=True)
    ]
    return _with_sounds(words, transcript) if sounds and transcript.sounds else words


def _with_sounds(words: Sequence[Spoken], transcript: Transcript) -> list[Spoken]:
    """The words with the sound events between them. One whose time is not known fills the pause."""
    utterance = transcript.utterance
    begin_s, end_s = utterance.start / utterance.rate_hz, utterance.voiced_end / utterance.rate_hz
    found, rest, letters_before = list[Spoken](), list(words), 0
    for sound in transcript.sounds:
        while rest and letters_before < sound.letters:
            found.append(rest.pop(0))
            letters_before += sum(map(str.isalnum, found[-1].text))
        after = found[-1] if found else None
        start_s = after.end_s if after else begin_s
        if sound.start_s is not None:
            start_s = max(start_s, begin_s + sound.start_s)
        stop_s = rest[0].start_s if rest else end_s
        if sound.end_s is not None:
            stop_s = min(stop_s, begin_s + sound.end_s)
        speaker = after.speaker if after else rest[0].speaker if rest else ""
        found.append(Spoken(f"[{clean_line(sound.text)}]", start_s, max(start_s, stop_s), speaker=speaker))
    return [*found, *rest]


def parts(text: str) -> Iterator[tuple[str, bool]]:
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


_Time = tuple[float, float, str]
"""When a word begins and ends, in seconds, and who says it."""


def _engine_times(parts: Sequence[tuple[str, bool]], transcript: Transcript) -> list[_Time] | None:
    """The times and speakers of the engine, if its words have the same letters as the text; else None."""
    rows = [(letters(word.text), word) for word in transcript.words]
    rows = [(key, word) for key, word in rows if key]
    if not rows or "".join(key for key, _ in rows) != "".join(letters(text) for text, _ in parts):
        return None
    bounds: list[_Time] = []
    for key, word in rows:  # letter by letter, because the engine may split words differently
        step = (word.end_s - word.start_s) / len(key)
        speaker = word.speaker or ""
        bounds += [(word.start_s + at * step, word.start_s + (at + 1) * step, speaker) for at in range(len(key))]
    times, at = list[_Time](), 0
    for text, _ in parts:
        count = len(letters(text))
        first = bounds[min(at, len(bounds) - 1)]
        if count:
            times.append((first[0], bounds[at + count - 1][1], first[2]))
        else:
            times.append((first[0], first[0], bounds[max(0, at - 1)][2]))
        at += count
    return times


def _estimated_times(parts: Sequence[tuple[str, bool]], utterance: Utterance) -> list[_Time]:
    """Estimate times: each word gets its share of the loud hops, so that pauses belong to no word."""
    hops = np.flatnonzero(loud(levels_dbfs(utterance.pcm, utterance.rate_hz)))
    if not len(hops):
        hops = np.arange(max(1, round(utterance.duration_s * HOPS_PER_S)))
    sizes = np.cumsum([0, *(max(1, len(text)) for text, _ in parts)])
    places = sizes / max(1, sizes[-1]) * len(hops)
    starts = [hops[min(int(place), len(hops) - 1)] / HOPS_PER_S for place in places[:-1]]
    ends = [(hops[max(0, int(np.ceil(place)) - 1)] + 1) / HOPS_PER_S for place in places[1:]]
    return [(float(start), float(max(start, end)), "") for start, end in zip(starts, ends, strict=True)]
