"""What a user said in one turn, in one or several utterances: joining clips and joining texts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from voiceloop.text import join_chunks
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance, Word

LONGEST_QUIET = CAPTURE_RATE_HZ * 3 // 10
"""Of the quiet between two joined clips at most 300 ms is kept: a recogniser hears a pause, nobody pays for more."""


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance and, once it is known, its text."""

    utterance: Utterance
    transcript: Transcript | None = None

    def lightened(self) -> Said:
        """Without the samples of a piece of longer speech: it is never posted again, and such speech may go on for
        hours."""
        if not self.utterance.continues or self.transcript is None:
            return self
        light = replace(self.utterance, pcm=b"")
        return Said(light, replace(self.transcript, utterance=light))


def merge(utterances: Sequence[Utterance], *, limit_s: float) -> Utterance | None:
    """One clip of all of them in order, quiet between them shortened; None when it would be longer than `limit_s` or
    the samples of one are gone."""
    if not all(utterance.pcm for utterance in utterances):
        return None
    pieces: list[bytes] = []
    end = utterances[0].start
    for utterance in utterances:
        quiet = min(max(0, utterance.start - end), LONGEST_QUIET) if pieces else 0
        pieces += [bytes(quiet * SAMPLE_BYTES), utterance.pcm]
        end = utterance.end
    pcm = b"".join(pieces)
    last = utterances[-1]
    if len(pcm) > limit_s * CAPTURE_RATE_HZ * SAMPLE_BYTES:
        return None
    return Utterance(pcm, utterances[0].start, last.voiced_end, last.rate_hz, last.continues)


def join(transcripts: Sequence[Transcript]) -> Transcript:
    """One transcript of several in order: texts joined by a space (none between scripts that use none).

    Its utterance goes from the first one's start to the last one's end, with the samples that are still there.
    """
    if len(transcripts) == 1:
        return transcripts[0]
    first, last = transcripts[0], transcripts[-1]
    words: list[Word] = []
    for transcript in transcripts:
        shift = (transcript.utterance.start - first.utterance.start) / CAPTURE_RATE_HZ
        words += [Word(w.text, w.start_s + shift, w.end_s + shift, w.confidence) for w in transcript.words]
    pcm = b"".join(transcript.utterance.pcm for transcript in transcripts)
    utterance = Utterance(pcm, first.utterance.start, last.utterance.voiced_end, first.utterance.rate_hz)
    text = join_chunks(text for transcript in transcripts if (text := transcript.text.strip()))
    return Transcript(text, utterance, None, tuple(words), _least(transcripts), last.language or first.language)


def _least(transcripts: Sequence[Transcript]) -> float | None:
    known = [t.confidence for t in transcripts if t.confidence is not None]
    return min(known) if known else None


def is_empty(text: str) -> bool:
    """Whether nothing was said: recognisers answer noise with "", "..." or "♪"."""
    return not any(character.isalnum() for character in text)


def is_only(text: str, words: Sequence[str]) -> bool:
    """Whether `text` says nothing but some of `words` ("mhm", "yeah, okay"), once or more."""
    known = {_letters(word) for word in words}
    said = [letters for word in text.split() if (letters := _letters(word))]
    return bool(said) and all(word in known for word in said)


def _letters(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())
