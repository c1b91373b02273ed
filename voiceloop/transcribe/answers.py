"""The parser of a transcription server's JSON answers. Pure; only `text` is required, all other fields are optional.

Entries of `words` with the type `audio_event`, like "(laughter)", are no words: they are left out of the text, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voiceloop.config.language import told
from voiceloop.net.failures import Where, bad_answer
from voiceloop.net.service import JsonAnswer
from voiceloop.net.usage import usage
from voiceloop.net.values import amount, finite, whole
from voiceloop.transcribe.annotations import event_text, left_out
from voiceloop.types import SoundEvent, Transcript, Utterance, Word

_EVENT = "audio_event"
_LABEL = 64
"""The longest label of a speaker, in characters."""
_SURE = 0.5
"""A language that the service is less sure of is not told: it would choose the reply's voice."""
_AWAY = 200
"""How far away an entry is looked for in the text, in characters: what is further is another of the same letters."""
_LATEST_S = 86_400.0
"""The latest time of a word: a day. At 1e18 s adding the length of a cue changes nothing, and it would not last."""


def transcript(answer: JsonAnswer, utterance: Utterance, where: Where) -> Transcript:
    """Parse an answer into a transcript. Raises `BadAnswer` when it has no text; ignores unknown fields."""
    value = answer.value
    text = value.get("text")
    if not isinstance(text, str):
        raise bad_answer("the answer holds no text", where)
    rows = _rows(value.get("words"))
    return Transcript(
        text=_without_events(whole(text), rows).strip(),
        utterance=utterance,
        usage=usage(value.get("usage"), answer.generation_id),
        words=tuple(row.word for row in rows if not row.is_event),
        sounds=tuple(_sounds(rows)),
        confidence=_confidence(value.get("segments"), value.get("confidence")),
        no_speech=_no_speech(value.get("segments")),
        language=_language(value.get("language"), value.get("language_confidence")),
    )


def _language(value: Any, confidence: Any) -> str | None:
    sure = amount(confidence)
    if not isinstance(value, str) or not 0 < len(value) <= 32 or (sure is not None and sure < _SURE):
        return None
    return told(whole(value))


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry of `words`."""

    word: Word
    is_event: bool
    """Whether it is a sound and no word."""


def _rows(value: Any) -> list[_Row]:
    rows = []
    for row in value if isinstance(value, list) else ():
        if isinstance(row, dict) and isinstance(row.get("word"), str):
            start, end = amount(row.get("start")), amount(row.get("end"))
            if start is not None and end is not None:
                start, end = min(start, _LATEST_S), min(end, _LATEST_S)
                word = Word(whole(row["word"]), start, max(start, end), _probability(row.get("confidence")))
                rows.append(_Row(replace(word, speaker=_speaker(row)), row.get("type") == _EVENT))
    return rows


def _speaker(row: dict[str, Any]) -> str | None:
    """Who said a word: the service's label, or its number."""
    label, number = row.get("speaker_label"), row.get("speaker")
    if isinstance(label, str) and label:
        return whole(label)[:_LABEL]
    return str(number) if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 1e9 else None


def _sounds(rows: Sequence[_Row]) -> Iterator[SoundEvent]:
    letters = 0
    for row in rows:
        if not row.is_event:
            letters += sum(map(str.isalnum, row.word.text))
        elif (text := event_text(row.word.text)) is not None:
            yield SoundEvent(text, letters, row.word.start_s, row.word.end_s)


def _without_events(text: str, rows: Sequence[_Row]) -> str:
    """`text` without the events among `rows`, which are in the order of the text. One that the text doesn't hold in its
    place is not looked for elsewhere, unless it is in brackets: its name may be a word that was said."""
    spans, at = list[tuple[int, int]](), 0
    for row in rows:
        entry = row.word.text.strip()
        found = text.find(entry, at, at + _AWAY + len(entry)) if entry else -1
        if found < 0:
            continue
        if not row.is_event:
            at = found + len(entry)
        elif not entry[0].isalnum() or not any(map(str.isalnum, text[at:found])):
            at = found + len(entry)
            spans.append((found, at))
    return left_out(text, spans)


def _confidence(value: Any, stated: Any) -> float | None:
    """The mean probability of a token (`avg_logprob`), averaged over segments weighted by their length; else what the
    service itself has `stated`. 0 to 1."""
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
    return total / weight if weight else _probability(stated)


def _probability(value: Any) -> float | None:
    score = amount(value)
    return None if score is None else min(score, 1.0)


def _no_speech(value: Any) -> float | None:
    """The probability that nobody spoke: the minimum over all segments, since one segment with speech is enough."""
    found = [
        min(score, 1.0)
        for row in (value if isinstance(value, list) else ())
        if isinstance(row, dict) and (score := amount(row.get("no_speech_prob"))) is not None
    ]
    return min(found) if found else None
