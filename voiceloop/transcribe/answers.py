"""The parser of a transcription server's JSON answers. Pure; only `text` is required, all other fields are optional."""

from __future__ import annotations

import math
from typing import Any

from voiceloop.config.language import told
from voiceloop.net.failures import Where, bad_answer
from voiceloop.net.service import JsonAnswer
from voiceloop.net.usage import usage
from voiceloop.net.values import amount, finite, whole
from voiceloop.types import Transcript, Utterance, Word


def transcript(answer: JsonAnswer, utterance: Utterance, where: Where) -> Transcript:
    """Parse an answer into a transcript. Raises `BadAnswer` when it has no text; ignores unknown fields."""
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
        language=told(whole(language)) if isinstance(language, str) and 0 < len(language) <= 32 else None,
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
    """The mean probability of a token (`avg_logprob`), averaged over segments weighted by their length. 0 to 1."""
    total = weight = 0.0
    for row in value if isinstance(value, list) else ():
        if not isinstance(row, dict):
            continue
        log_probability = finite(row.get("avg_logprob"))
        if log_probability is None:
            continue
        length = max((amount(row.get("end")) or 0.0) - (amount(row.get("start")) or 0.0), 0.01)
        total += math.exp(min(log_probability, 0.0)) * length
        weight += length
    return total / weight if weight else None


def _no_speech(value: Any) -> float | None:
    """The probability that nobody spoke: the minimum over all segments, since one segment with speech is enough."""
    found = [
        min(score, 1.0)
        for row in (value if isinstance(value, list) else ())
        if isinstance(row, dict) and (score := amount(row.get("no_speech_prob"))) is not None
    ]
    return min(found) if found else None
