"""The merging of the utterances of one turn: joins clips and joins transcripts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from voiceloop.text import join_chunks
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, SoundEvent, Transcript, Utterance, Word

LONGEST_QUIET = CAPTURE_RATE_HZ * 3 // 10
"""Maximum quiet between two joined clips, in samples: 300 ms. A recogniser needs to hear a pause; more would only cost
money."""


@dataclass(frozen=True, slots=True)
class SpokenClip:
    """An utterance and its transcript, once that is known."""

    utterance: Utterance
    transcript: Transcript | None = None

    def lightened(self) -> SpokenClip:
        """A copy without samples, if this is a transcribed piece of longer speech; else itself.

        Such a piece is never posted again, and long speech may go on for hours.
        """
        if not self.utterance.continues or self.transcript is None:
            return self
        light = replace(self.utterance, pcm=b"")
        return SpokenClip(light, replace(self.transcript, utterance=light))


def merge(utterances: Sequence[Utterance], *, limit_s: float) -> Utterance | None:
    """One clip of all utterances in order, with the quiet between them shortened.

    None when it would be longer than `limit_s`, or when the samples of one utterance were dropped
    (`SpokenClip.lightened`).
    """
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
    """One transcript of several in order: texts joined by a space, except in scripts that don't use spaces.

    Its utterance goes from the start of the first to the end of the last, with the samples that are still held.
    """
    if len(transcripts) == 1:
        return transcripts[0]
    first, last = transcripts[0], transcripts[-1]
    words: list[Word] = []
    sounds: list[SoundEvent] = []
    letters = 0
    for transcript in transcripts:
        shift = (transcript.utterance.start - first.utterance.start) / CAPTURE_RATE_HZ
        sounds += [sound.moved(letters=letters, seconds=shift) for sound in transcript.sounds]
        letters += sum(map(str.isalnum, transcript.text))
        # Without the speakers: two answers may mean different people by the same label.
        words += [Word(w.text, w.start_s + shift, w.end_s + shift, w.confidence) for w in transcript.words]
    pcm = b"".join(transcript.utterance.pcm for transcript in transcripts)
    utterance = Utterance(pcm, first.utterance.start, last.utterance.voiced_end, first.utterance.rate_hz)
    text = join_chunks(text for transcript in transcripts if (text := transcript.text.strip()))
    return Transcript(
        text=text,
        utterance=utterance,
        words=tuple(words),
        sounds=tuple(sounds),
        confidence=_lowest_confidence(transcripts),
        language=last.language or first.language,
    )


def _lowest_confidence(transcripts: Sequence[Transcript]) -> float | None:
    known = [t.confidence for t in transcripts if t.confidence is not None]
    return min(known) if known else None


def is_empty(text: str) -> bool:
    """Whether `text` has no words. Recognisers return "", "..." or "♪" for noise."""
    return not any(character.isalnum() for character in text)


def is_only(text: str, words: Sequence[str]) -> bool:
    """Whether `text` consists only of `words`, once or repeated ("mhm", "yeah, okay")."""
    known = {_letters(word) for word in words}
    spoken = [letters for word in text.split() if (letters := _letters(word))]
    return bool(spoken) and all(word in known for word in spoken)


def _letters(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())
