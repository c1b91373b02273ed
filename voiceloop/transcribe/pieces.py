"""The cutting of clips that are too long for a model, and the joining of the pieces' transcripts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from voiceloop.types import SAMPLE_BYTES, SoundEvent, Transcript, Usage, Utterance, Word

_WINDOW_S = 0.2
"""Length of a pause between words, about."""
_SMALL = (
    "a an and as at be but by for from he her his if in is it its my not of on or our she so than that the their them "
    "then there these they this those to was we were what when where which who will with you your"
)
_SMALL_WORDS = frozenset(_SMALL.split())
"""English words that no name begins with."""


def cut(utterance: Utterance, longest_s: float) -> Iterator[Utterance]:
    """Cut `utterance` into pieces of at most `longest_s`, each at the quietest 200 ms of its last third."""
    rate = utterance.rate_hz
    samples = np.frombuffer(utterance.pcm, dtype="<i2")
    longest = max(int(longest_s * rate), 1)
    at = 0
    while len(samples) - at > longest:
        end = at + _quietest(samples[at : at + longest], window=int(_WINDOW_S * rate))
        yield _piece(utterance, start=at, end=end, continues=True)
        at = end
    yield _piece(utterance, start=at, end=len(samples), continues=utterance.continues)


def _quietest(samples: np.ndarray, *, window: int) -> int:
    """The middle of the quietest window of the last third; the end when a window doesn't fit there. In samples."""
    first = len(samples) * 2 // 3
    if len(samples) - first <= window or window < 1:
        return len(samples)
    power = np.concatenate(([0.0], np.cumsum(np.square(samples[first:].astype(np.float64)))))
    return first + int(np.argmin(power[window:] - power[:-window])) + window // 2


def _piece(utterance: Utterance, *, start: int, end: int, continues: bool) -> Utterance:
    return replace(
        utterance,
        pcm=utterance.pcm[start * SAMPLE_BYTES : end * SAMPLE_BYTES],
        start=utterance.start + start,
        voiced_end=min(utterance.voiced_end, utterance.start + end),
        continues=continues,
    )


def joined_text(texts: Sequence[str]) -> str:
    """The texts of consecutive pieces as one. A recogniser writes each piece like a text of its own: a comma that
    begins one is dropped, and a small English word after an unfinished sentence loses its capital letter."""
    whole = ""
    for text in texts:
        rest = text.lstrip(" ,;:") if whole else text
        first, gap, more = rest.partition(" ")
        # "IT" and "WHO" are names.
        if whole and whole[-1] not in ".?!…" and first.lower() in _SMALL_WORDS and first == first.capitalize():
            rest = first.lower() + gap + more
        whole = f"{whole} {rest}" if whole and rest else whole or rest
    return whole


def join(utterance: Utterance, parts: Sequence[Transcript]) -> Transcript:
    """One transcript of the pieces of `utterance`. Word times are shifted to it; confidence is weighted by length. Who
    speaks is known of a single piece alone: two answers may mean different people by the same label."""
    words: list[Word] = []
    sounds: list[SoundEvent] = []
    letters = 0
    alone = len(parts) == 1
    total = weight = 0.0
    usage: Usage | None = None
    for part in parts:
        offset_s = (part.utterance.start - utterance.start) / utterance.rate_hz
        words += [
            replace(w, start_s=w.start_s + offset_s, end_s=w.end_s + offset_s, speaker=w.speaker if alone else None)
            for w in part.words
        ]
        sounds += [sound.moved(letters=letters, seconds=offset_s) for sound in part.sounds]
        letters += sum(map(str.isalnum, part.text))
        if part.confidence is not None:
            total += part.confidence * part.utterance.duration_s
            weight += part.utterance.duration_s
        if part.usage is not None:
            usage = part.usage if usage is None else usage + part.usage
    return Transcript(
        text=joined_text([part.text for part in parts]),
        utterance=utterance,
        usage=usage,
        words=tuple(words),
        sounds=tuple(sounds),
        confidence=total / weight if weight else None,
        language=next((part.language for part in parts if part.language), None),
        no_speech=min((part.no_speech for part in parts if part.no_speech is not None), default=None),
    )
