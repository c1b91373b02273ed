"""The JSON of a transcription to a transcript. Pure; believes no field but `text` to be there."""

from __future__ import annotations

import math
from typing import Any

from voiceloop.net.failures import Where, bad_answer
from voiceloop.net.service import JsonAnswer
from voiceloop.net.usage import usage
from voiceloop.net.values import amount, finite, whole
from voiceloop.types import Transcript, Utterance, Word


def transcript(answer: JsonAnswer, utterance: Utterance, where: Where) -> Transcript:
    """The transcript in an answer. Raises `BadAnswer` without a text; ignores what it doesn't know."""
    value = answer.value
    text = value.get("text")
    if not isinstance(text, str):
        raise bad_answer("the answer holds no text", where)
    language = value.get("language")
    return Transcript(
        text=whole(text).strip(),
        utterance=utterance,
        usage=usage(value.get("usage"), answer.generation_id),
        words=_words(value.get("words")),
        confidence=_confidence(value.get("segments")),
        no_speech=_no_speech(value.get("segments")),
        language=whole(language) if isinstance(language, str) and 0 < len(language) <= 32 else None,
    )


def _words(value: Any) -> tuple[Word, ...]:
    words = []
    for row in value if isinstance(value, list) else ():
        if isinstance(row, dict) and isinstance(row.get("word"), str):
            start, end = amount(row.get("start")), amount(row.get("end"))
            if start is not None and end is not None:
                words.append(Word(whole(row["word"]), start, max(start, end)))
    return tuple(words)


def _confidence(value: Any) -> float | None:
    """How sure the model was: the mean probability of a token, weighted by the segments' lengths."""
    total = weight = 0.0
    for row in value if isinstance(value, list) else ():
        if not isinstance(row, dict):
            continue
        log = finite(row.get("avg_logprob"))
        if log is None:
            continue
        length = max((amount(row.get("end")) or 0.0) - (amount(row.get("start")) or 0.0), 0.01)
        total += math.exp(min(log, 0.0)) * length
        weight += length
    return total / weight if weight else None


def _no_speech(value: Any) -> float | None:
    """How sure the model was that nobody spoke: the least of all segments, for one with speech is enough."""
    found = [
        min(score, 1.0)
        for row in (value if isinstance(value, list) else ())
        if isinstance(row, dict) and (score := amount(row.get("no_speech_prob"))) is not None
    ]
    return min(found) if found else None
