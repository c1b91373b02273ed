"""What is left out of a transcript: fillers and phrases that are replaced by nothing, each with the marks that set it
apart, and the full stop after a few words. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from voiceloop.dictation.text.sentence_words import sentence_words
from voiceloop.dictation.text.tokens import ENDS, Token, is_contiguous, key_of
from voiceloop.speak.abbreviations import Abbreviations

FullStop = Literal["always", "sentences", "never"]
"""Whether the transcriber's full stop after a few words stays."""
MOST_WORDS = 6
"""Words of an utterance that may be a name, an address or a search term."""
LONGEST_PHRASE = 5
_PAIRS = {"(": ")", "[": "]", '"': '"', "“": "”", "„": "“", "«": "»", "'": "'", "‘": "’"}
_PAUSE_MARKS = ".,;:!?…。！？、，"


def left_out(tokens: Sequence[Token], phrases: Collection[str]) -> list[Token]:
    """The tokens without the `phrases`. What closed a sentence behind one closes it before; what set it apart goes."""
    if not phrases:
        return list(tokens)
    found: list[Token] = []
    lead, moved, paused = "", False, False
    at = 0
    while at < len(tokens):
        length = _length_at(tokens, at, phrases)
        if not length:
            token = tokens[at]
            found.append(
                replace(token, lead=lead + token.lead, moved=token.moved or moved, paused=token.paused or paused)
            )
            lead, moved, paused = "", False, False
            at += 1
            continue
        phrase = tokens[at : at + length]
        opening, trail = _unpaired(phrase[0].lead, phrase[-1].trail)
        lead, moved, paused = lead + opening, True, paused or phrase[0].paused
        if found:
            found[-1] = _closed(found[-1], trail)
        at += length
    return found


def without_full_stop(tokens: list[Token], rule: FullStop, language: str | None) -> list[Token]:
    """The tokens without the full stop at the end, where the rule says so: after a few words that are no sentence, or
    after any few words. In a language without a list of words, nothing is known to be no sentence."""
    if rule == "always" or not _is_short(tokens) or not _ends_in_full_stop(tokens[-1], language):
        return tokens
    if rule == "sentences":
        words = sentence_words(language)
        if not words or any(token.key in words for token in tokens):
            return tokens
    return [*tokens[:-1], replace(tokens[-1], trail="")]


def _length_at(tokens: Sequence[Token], at: int, phrases: Collection[str]) -> int:
    """How many words the longest of the phrases at this place has; 0 for none."""
    for length in range(min(LONGEST_PHRASE, len(tokens) - at), 0, -1):
        phrase = tokens[at : at + length]
        if is_contiguous(phrase) and key_of(phrase) in phrases:
            return length
    return 0


def _unpaired(lead: str, trail: str) -> tuple[str, str]:
    """The marks around a phrase, without the quotes and brackets that hold nothing else."""
    while lead:
        at = trail.find(_PAIRS.get(lead[-1], "\0"))
        if at < 0:
            break
        lead, trail = lead[:-1], trail[:at] + trail[at + 1 :]
    return lead, trail


def _closed(before: Token, trail: str) -> Token:
    """The word before a phrase that is left out, with what must stay of the marks after the phrase."""
    if not trail or (before.ends_sentence and not trail.strip(_PAUSE_MARKS)):
        return before
    closes = ENDS.search(trail) and not trail.startswith(("…", ".."))
    kept = trail if closes else trail.strip(_PAUSE_MARKS)
    return replace(before, trail=before.trail.rstrip(",;") + kept)


def _is_short(tokens: Sequence[Token]) -> bool:
    return 0 < len(tokens) <= MOST_WORDS and not any(token.ends_sentence for token in tokens[:-1])


def _ends_in_full_stop(last: Token, language: str | None) -> bool:
    if last.trail not in (".", "。") or not last.core:
        return False
    abbreviations = Abbreviations(language)
    return not (abbreviations.go_on(last.core, after="a") or abbreviations.may_end(last.core))
