"""Words that nobody said: what recognisers make of noise, of silence and of their own prompt. Pure.

Whisper was trained on subtitles, and ends silence as they end: with thanks for watching and the subtitler's name. Each
rule is an option, and needs more than the words: people do say "thank you".
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voiceloop.audio.loudness import HOPS_PER_S, SILENCE_DBFS, levels_dbfs, loud
from voiceloop.config.tables import Hallucinations
from voiceloop.transcribe.hallucination_phrases import PHRASES, key
from voiceloop.types import Transcript, Utterance

SHORT_S = 2.0
"""A hallucination is all that was heard in a clip with less voice than this."""
WEAK_DB = 10.0
"""Speech rises above the noise around it by more than this, even far from a microphone."""
FASTEST = 30.0
"""Letters that nobody can say in a second."""
ECHO = 0.6
"""How much of the prompt is much of it."""
COMPRESSED = 2.4
"""Text that zlib makes shorter by this goes round in circles, or counts: Whisper's own limit."""
_ECHO_LETTERS = 20
"""Less of it may well have been said, however unsure the model is: a prompt may be one name."""
_LONG_LETTERS = 120
_RUNS = {1: 8, 2: 5}
"""How often words repeat that hardly anybody repeats: one word, two words."""
_LONGER_RUN = 4
_ENDLESS = 3
"""So many times as often nobody repeats them, however clear it sounds: a model that has lost its way goes on until it
may write no more, for some hundred words."""
_LONGEST_LOOP = 12
_UNSURE = 0.4
"""Confidence below this, together with the no-speech score: e to the -1 is where Whisper draws the line."""
_NO_SPEECH = 0.6


class Reason(StrEnum):
    """Why something was dropped."""

    QUIET = "too quiet"
    LITTLE = "too little voice"
    PHRASE = "a known hallucination"
    NO_SPEECH = "the model heard no speech"
    LOOP = "a loop"
    ECHO = "the prompt's echo"


@dataclass(frozen=True, slots=True)
class Sound:
    """What a clip sounds like. `level_dbfs` is its loudest 10 ms; `rise_db` how far above its quietest tenth."""

    level_dbfs: float
    rise_db: float
    voice_s: float

    @classmethod
    def of(cls, utterance: Utterance) -> Sound:
        levels = levels_dbfs(utterance.pcm, utterance.rate_hz)
        if not len(levels):
            return cls(SILENCE_DBFS, 0.0, 0.0)
        top = float(levels.max())
        return cls(top, top - float(np.percentile(levels, 10)), float(loud(levels).sum()) / HOPS_PER_S)


def not_worth_posting(utterance: Utterance, rules: Hallucinations) -> Reason | None:
    """Why a clip holds nothing that a recogniser could hear."""
    if not rules.quiet:
        return None
    sound = Sound.of(utterance)
    if sound.level_dbfs < rules.least_dbfs:
        return Reason.QUIET
    return Reason.LITTLE if sound.voice_s * 1000 < rules.least_voice_ms else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is left of a text: all of it without a reason; with one what is beside a loop and that once, or nothing."""

    text: str
    reason: Reason | None = None


def judge(transcript: Transcript, rules: Hallucinations, prompts: Sequence[str] = ()) -> Judgement:
    """What of a transcript was said. `prompts` are what the recogniser was told to expect."""
    said = key(transcript.text)
    if not said:
        return Judgement(transcript.text)
    sound = Sound.of(transcript.utterance)
    reason = _nobody_said(transcript, said, sound, rules)
    if reason is None and rules.prompt_echo:
        reason = _echo(transcript, said, sound, prompts)
    if reason is not None:
        return Judgement("", reason)
    if rules.repetition:
        # Not by the words alone: people sing, count, spell and say "no, no, no" too.
        doubtful = _weak_or_too_fast(said, sound) or _unsure(transcript)
        goes_round = doubtful and _goes_round(transcript.text, said)
        kept = "" if goes_round else _without_loops(transcript.text, 1 if doubtful else _ENDLESS)
        if kept is not None:
            return Judgement(kept, Reason.LOOP)
    return Judgement(transcript.text)


def _nobody_said(transcript: Transcript, said: str, sound: Sound, rules: Hallucinations) -> Reason | None:
    no_speech = transcript.no_speech
    if rules.phrases and _is_known(said, rules.more_phrases):
        weak = sound.voice_s <= SHORT_S and (sound.rise_db < WEAK_DB or sound.level_dbfs < rules.weak_dbfs)
        if weak or _too_fast(said, sound) or (no_speech is not None and no_speech >= rules.phrase_no_speech):
            return Reason.PHRASE
    if rules.no_speech and no_speech is not None and no_speech > _NO_SPEECH and _unsure(transcript):
        return Reason.NO_SPEECH
    return None


def _unsure(transcript: Transcript) -> bool:
    return transcript.confidence is not None and transcript.confidence < _UNSURE


def _too_fast(said: str, sound: Sound) -> bool:
    """Whether nobody can say so much in so little voice."""
    return len(said) > FASTEST * max(sound.voice_s, 0.01)


def _weak_or_too_fast(said: str, sound: Sound) -> bool:
    return sound.rise_db < WEAK_DB or _too_fast(said, sound)


def _is_known(said: str, more: Sequence[str]) -> bool:
    """Whether it is a known phrase, once or several times, or begins as one that names somebody."""
    known = PHRASES | {key(phrase) for phrase in more}
    if said in known or any(said.startswith(start) and len(said) < 80 for start in _STARTS):
        return True
    return any(said == phrase * (len(said) // len(phrase)) for phrase in known if len(phrase) > 3)


_STARTS = ("subtitlesby", "subtitledby", "captionsby", "captioningby", "transcribedby", "untertitelvon")


def _echo(transcript: Transcript, said: str, sound: Sound, prompts: Sequence[str]) -> Reason | None:
    """The prompt's own words are there to be said: a vocabulary above all."""
    improbable, unsure = _weak_or_too_fast(said, sound), _unsure(transcript)
    for prompt in map(key, prompts):
        if prompt and said in prompt:
            much = len(said) >= ECHO * len(prompt) and len(said) >= _ECHO_LETTERS
            if (improbable and len(said) >= 8) or (unsure and much):
                return Reason.ECHO
    return None


def _goes_round(text: str, said: str) -> bool:
    """Whether it says nearly the same all the time."""
    data = text.encode()
    return len(said) >= _LONG_LETTERS and len(data) / len(zlib.compress(data)) > COMPRESSED


def _without_loops(text: str, rounds: int) -> str | None:
    """The text with each loop once; empty when all of it is one loop; None when nothing is. A loop goes round `rounds`
    times as often as what people hardly repeat."""
    words = text.split()
    keys = [key(word) for word in words]
    found = _loop(keys, rounds)
    if found is None:
        return "" if len(words) <= 2 and _one_letter_loop("".join(keys), rounds) else None
    at, size, count = found
    end = at + size * count
    while end < len(keys) and keys[end] == keys[end - size]:  # its last round may have been cut off
        end += 1
    rest = " ".join(words[end:])
    if not at and not rest:
        return ""
    after = _without_loops(rest, rounds)
    return " ".join([*words[: at + size], *(rest if after is None else after).split()])


def _loop(keys: Sequence[str], rounds: int) -> tuple[int, int, int] | None:
    """Where the shortest loop begins, how many words it has and how often it goes round."""
    for size in range(1, min(_LONGEST_LOOP, len(keys) // 2) + 1):
        least = rounds * _RUNS.get(size, _LONGER_RUN)
        for at in range(len(keys) - size * least + 1):
            count = 1
            while keys[at : at + size] == keys[at + count * size : at + (count + 1) * size]:
                count += 1
            if count >= least and any(keys[at : at + size]):
                return at, size, count
    return None


def _one_letter_loop(joined: str, rounds: int) -> bool:
    """A script without spaces goes round too: some letters, ten times `rounds` and more."""
    return any(
        len(joined) >= 10 * rounds * size and joined == (joined[:size] * (len(joined) // size + 1))[: len(joined)]
        for size in range(1, 9)
    )
