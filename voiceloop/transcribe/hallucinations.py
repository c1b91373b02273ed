"""The detection of hallucinations: text that recognisers produce from noise, silence or their own prompt. Pure.

Whisper was trained on subtitles and transcribes silence as subtitles end: with thanks for watching and the name of the
subtitler. Moonshine makes "You" of silence, "Uh?" of a cleared throat and "♪♪" of typing, and is often sure of it. Each
rule can be turned off (`Hallucinations`) and needs more evidence than the words alone: people do say "thank you".
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from voiceloop.audio.loudness import HOPS_PER_S, SILENCE_DBFS, levels_dbfs, loud
from voiceloop.config.tables import Hallucinations
from voiceloop.transcribe.hallucination_phrases import INVENTIONS, PHRASES, STARTS, has_other_script, key
from voiceloop.transcribe.voice_evidence import Voice
from voiceloop.types import Transcript, Utterance

SHORT_S = 2.0
"""A known phrase in a weak sound is a hallucination only if the clip holds at most this much voice."""
WEAK_DB = 10.0
"""Speech is louder than the background noise by more than this, even far from the microphone."""
FASTEST = 30.0
"""Letters per second; nobody speaks faster."""
ECHO = 0.6
"""Share of the prompt that a transcript must repeat to count as an echo of it when the model is unsure."""
COMPRESSED = 2.4
"""Text with a higher zlib compression ratio repeats itself, or counts. Whisper's own limit."""
_ECHO_LETTERS = 20
"""Fewer letters of the prompt may really have been said, however unsure the model is: a prompt may be one name."""
_LONG_LETTERS = 120
"""Texts with fewer letters are not checked for their compression ratio."""
_RUNS = {1: 8, 2: 5}
"""Repetitions that people hardly ever reach, by the number of words repeated: one word, two words."""
_LONGER_RUN = 4
"""The same for three words and more."""
_ENDLESS = 3
"""Factor on these counts that nobody reaches, however clear the sound: a model caught in a loop continues up to its
maximum length, some hundred words."""
_LONGEST_LOOP = 12
"""Words in the longest loop that is looked for."""
_UNSURE = 0.4
"""Confidence below which the model counts as unsure. Whisper's limit, used with the no-speech score, is e to the -1."""
_UNSURE_OF_NOISE = 0.5
"""The same for a clip with hardly any voice. Moonshine is surer of nearly all clearly recorded single words."""
_NO_SPEECH = 0.6
"""No-speech score above which a clip holds no speech, if the model is also unsure."""


class Reason(StrEnum):
    """Why a clip or a text was dropped."""

    QUIET = "too quiet"
    LITTLE = "too little voice"
    NO_VOICE = "no voice"
    PHRASE = "a known hallucination"
    NO_WORDS = "no words"
    SCRIPT = "another script"
    NO_SPEECH = "the model heard no speech"
    DOUBTFUL = "hardly any voice, and the model is unsure"
    LOOP = "a loop"
    ECHO = "the prompt's echo"
    ANNOTATION = "an annotation"
    CREDIT = "a credit of subtitles"


@dataclass(frozen=True, slots=True)
class Sound:
    """The loudness of a clip."""

    level_dbfs: float
    """Level of the loudest 10 ms."""
    rise_db: float
    """`level_dbfs` above the 10th percentile of the clip's levels, which stands for the background noise."""
    voice_s: float
    """Total length of the loud parts."""

    @classmethod
    def of(cls, utterance: Utterance) -> Sound:
        """Measure an utterance."""
        levels = levels_dbfs(utterance.pcm, utterance.rate_hz)
        if not len(levels):
            return cls(level_dbfs=SILENCE_DBFS, rise_db=0.0, voice_s=0.0)
        top = float(levels.max())
        return cls(
            level_dbfs=top,
            rise_db=top - float(np.percentile(levels, 10)),
            voice_s=float(loud(levels).sum()) / HOPS_PER_S,
        )


def not_worth_posting(utterance: Utterance, rules: Hallucinations) -> Reason | None:
    """Why a clip can't hold recognisable speech (too quiet, too little voice); None when it can."""
    if not rules.quiet:
        return None
    sound = Sound.of(utterance)
    if sound.level_dbfs < rules.least_dbfs:
        return Reason.QUIET
    return Reason.LITTLE if sound.voice_s * 1000 < rules.least_voice_ms else None


def without_voice(utterance: Utterance, voice: Voice, rules: Hallucinations) -> Reason | None:
    """`NO_VOICE` when the voice model finds no voice in a clip; else None."""
    sound_s = Sound.of(utterance).voice_s
    absent = rules.quiet and voice.absent(sound_s=sound_s, duration_s=utterance.duration_s)
    return Reason.NO_VOICE if absent else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A text after the check for hallucinations."""

    text: str
    """Without a reason, the whole text. Else the rest: nothing, or the text with one round of each loop."""
    reason: Reason | None = None


def judge(
    transcript: Transcript, rules: Hallucinations, prompts: Sequence[str] = (), *, voice: Voice | None = None
) -> Judgement:
    """Remove hallucinations from a transcript. `prompts` are the texts that the recogniser was told to expect; `voice`
    is the evidence for voice in its clip, where that is known."""
    letters = key(transcript.text)
    if not letters:
        silent = not transcript.text.strip() or not rules.phrases
        return Judgement(transcript.text) if silent else Judgement("", Reason.NO_WORDS)
    sound = Sound.of(transcript.utterance)
    doubtful = voice is not None and voice.doubtful
    reason = _invented(transcript, letters, sound, rules) or _made_of_noise(
        transcript, letters, rules, doubtful=doubtful
    )
    if reason is None and rules.prompt_echo:
        reason = _echo(transcript, letters, sound, prompts)
    if reason is not None:
        return Judgement("", reason)
    if rules.repetition:
        # The words alone are not enough: people also sing, count, spell and say "no, no, no".
        doubtful = doubtful or _weak_or_too_fast(letters, sound) or _unsure(transcript)
        repetitive = doubtful and _is_repetitive(transcript.text, letters)
        kept = "" if repetitive else _without_loops(transcript.text, 1 if doubtful else _ENDLESS)
        if kept is not None:
            return Judgement(kept, Reason.LOOP)
    return Judgement(transcript.text)


def _invented(transcript: Transcript, letters: str, sound: Sound, rules: Hallucinations) -> Reason | None:
    """Why the whole text is a hallucination: a known phrase, a script that the model's language doesn't have, or the
    model heard no speech."""
    no_speech = transcript.no_speech
    if rules.phrases and _is_known_phrase(letters, rules.more_phrases):
        weak = sound.voice_s <= SHORT_S and (sound.rise_db < WEAK_DB or sound.level_dbfs < rules.weak_dbfs)
        if weak or _too_fast(letters, sound) or (no_speech is not None and no_speech >= rules.phrase_no_speech):
            return Reason.PHRASE
    if rules.phrases and has_other_script(letters, transcript.language):
        return Reason.SCRIPT
    if rules.no_speech and no_speech is not None and no_speech > _NO_SPEECH and _unsure(transcript):
        return Reason.NO_SPEECH
    return None


def _made_of_noise(transcript: Transcript, letters: str, rules: Hallucinations, *, doubtful: bool) -> Reason | None:
    """Why a text is made of noise. Two of these are needed: it is a usual invention or a known phrase; its clip has
    hardly any voice (`doubtful`); the model is unsure."""
    # An engine that scores the absence of speech is believed about clear voice: people do say "yeah" and "two".
    unscored = transcript.no_speech is None and _unsure(transcript)
    if rules.phrases and (doubtful or unscored) and _is_invention(letters):
        return Reason.PHRASE
    if rules.phrases and doubtful and _is_known_phrase(letters, rules.more_phrases):
        return Reason.PHRASE
    unsure = transcript.confidence is not None and transcript.confidence < _UNSURE_OF_NOISE
    return Reason.DOUBTFUL if rules.no_speech and doubtful and unsure else None


def _unsure(transcript: Transcript) -> bool:
    return transcript.confidence is not None and transcript.confidence < _UNSURE


def _too_fast(letters: str, sound: Sound) -> bool:
    """Whether the text is too long to be said in the time for which there is voice."""
    return len(letters) > FASTEST * max(sound.voice_s, 0.01)


def _weak_or_too_fast(letters: str, sound: Sound) -> bool:
    return sound.rise_db < WEAK_DB or _too_fast(letters, sound)


def _is_known_phrase(letters: str, more: Sequence[str]) -> bool:
    """Whether the text is a known phrase, once or repeated, or begins like one that names a subtitler."""
    known = PHRASES | {key(phrase) for phrase in more}
    if letters in known or any(letters.startswith(start) and len(letters) < 80 for start in STARTS):
        return True
    return any(letters == phrase * (len(letters) // len(phrase)) for phrase in known if len(phrase) > 3)


def _is_invention(letters: str) -> bool:
    """Whether the text is one of the small words that recognisers make of noise, once or repeated."""
    return any(letters == word * (len(letters) // len(word)) for word in INVENTIONS)


def _echo(transcript: Transcript, letters: str, sound: Sound, prompts: Sequence[str]) -> Reason | None:
    """Whether the text repeats a prompt, and the sound or the confidence makes it improbable that it was said.

    The words alone are not enough: a prompt, above all a vocabulary, lists what the user is likely to say.
    """
    improbable, unsure = _weak_or_too_fast(letters, sound), _unsure(transcript)
    for prompt in map(key, prompts):
        if prompt and letters in prompt:
            large_part = len(letters) >= ECHO * len(prompt) and len(letters) >= _ECHO_LETTERS
            if (improbable and len(letters) >= 8) or (unsure and large_part):
                return Reason.ECHO
    return None


def _is_repetitive(text: str, letters: str) -> bool:
    """Whether a long text repeats nearly the same words throughout."""
    data = text.encode()
    return len(letters) >= _LONG_LETTERS and len(data) / len(zlib.compress(data)) > COMPRESSED


def _without_loops(text: str, factor: int) -> str | None:
    """The text with one round of each loop; empty when all of it is one loop; None when there is no loop.

    A loop has at least `factor` times the repetitions that people hardly ever reach (`_RUNS`).
    """
    words = text.split()
    keys = [key(word) for word in words]
    found = _loop(keys, factor)
    if found is None:
        return "" if len(words) <= 2 and _letter_loop("".join(keys), factor) else None
    at, size, count = found
    end = at + size * count
    while end < len(keys) and keys[end] == keys[end - size]:  # the last round may be incomplete
        end += 1
    rest = " ".join(words[end:])
    if not at and not rest:
        return ""
    after = _without_loops(rest, factor)
    return " ".join([*words[: at + size], *(rest if after is None else after).split()])


def _loop(keys: Sequence[str], factor: int) -> tuple[int, int, int] | None:
    """The start of the loop with the fewest words, its length in words and its repetitions; None without a loop."""
    for size in range(1, min(_LONGEST_LOOP, len(keys) // 2) + 1):
        least = factor * _RUNS.get(size, _LONGER_RUN)
        for at in range(len(keys) - size * least + 1):
            count = 1
            while keys[at : at + size] == keys[at + count * size : at + (count + 1) * size]:
                count += 1
            if count >= least and any(keys[at : at + size]):
                return at, size, count
    return None


def _letter_loop(joined: str, factor: int) -> bool:
    """Whether the text is a loop of 1 to 8 letters, at least 10 * `factor` times: for scripts without spaces."""
    return any(
        len(joined) >= 10 * factor * size and joined == (joined[:size] * (len(joined) // size + 1))[: len(joined)]
        for size in range(1, 9)
    )
