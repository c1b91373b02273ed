"""The most text that a clip can hold: what is longer was not said, and would take the loop's time. Pure."""

from __future__ import annotations

from dataclasses import replace

from voiceloop.types import Transcript, Utterance

PER_S = 40
"""Characters that are written for a second of speech, at most: nobody says more than 30 letters."""
MORE = 200
"""Characters that any clip may have: short ones are longer than their voice."""
LIVE = MORE + 300 * PER_S
"""The most for words of an utterance that isn't over: as much as for the longest clip."""


def most(utterance: Utterance) -> int:
    """The most characters for a clip."""
    return MORE + int(PER_S * utterance.duration_s)


def bounded(transcript: Transcript) -> Transcript:
    """`transcript` with no more text than its clip can hold."""
    limit = most(transcript.utterance)
    if max(len(transcript.text), len(transcript.words), len(transcript.sounds)) <= limit:
        return transcript
    return replace(transcript, text=transcript.text[:limit].rstrip(), words=(), sounds=())
