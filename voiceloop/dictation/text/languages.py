"""The language of a transcript, and with it the phrases that count: the transcriber's, else by the words. Pure."""

from __future__ import annotations

from voiceloop.capture.endpointing.endings import guess
from voiceloop.dictation.text.spoken import ENGLISH, spoken_in
from voiceloop.dictation.text.spoken_kinds import Spoken

_PHRASES = frozenset(ENGLISH.multi_word())


def phrases_for(text: str, language: str | None, *, told: bool) -> tuple[str | None, Spoken | None]:
    """The language and its phrases. `told`: whether `language` is that of this text, and not of an earlier one, which
    counts only where the words don't tell. Of an unknown language (None) the phrases are English."""
    if not told:
        language = guess(text) or ("en" if _has_english_phrases(text) else language)
    return (language, spoken_in(language)) if language else (None, ENGLISH)


def _has_english_phrases(text: str) -> bool:
    words = f" {' '.join(text.casefold().split())} "
    return any(f" {phrase}" in words for phrase in _PHRASES)
