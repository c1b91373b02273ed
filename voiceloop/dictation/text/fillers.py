"""Fillers, by language: sounds that hold the turn and say nothing. Data only.

Only what is no other word of its language: "um" is a filler in English, but a preposition in German and an article in
Portuguese.
"""

from __future__ import annotations

from voiceloop.config.language import language_code, told

_FILLERS = {
    "en": "um umm uhm uh uhh er erm hmm",
    "de": "äh ähm öh öhm ähh ehm hm hmm",
    "fr": "euh heu hum",
    "es": "eh em ehm mmm",
    "it": "ehm uhm mmm",
    "pt": "hum ahn hã ehm",
    "nl": "uh uhm eh ehm hmm",
}


def fillers_in(language: str | None) -> frozenset[str]:
    """The fillers of a language, in lower case; none for a language that has no list and for none."""
    return frozenset(_FILLERS.get(language_code(told(language)) or "", "").split()) if language else frozenset()
