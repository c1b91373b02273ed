"""Silences what leaked of the loudspeaker before a person spoke, in the events of one utterance. Pure.

microphone   echo that leaked | a person, perhaps over the echo
share        low              | high from here on
passed on    silence -------|                          up to `_LEAD` before the first sure sign of the person
"""

from __future__ import annotations

from dataclasses import replace

from voiceloop.capture.speech_events import SpeechAudio, SpeechEnded, SpeechEvent, SpeechPaused, SpeechStarted
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

_LEAD = CAPTURE_RATE_HZ * 35 // 100
"""A voice may begin so long before it is sure that it is somebody else's: softly, and the share covers 120 ms."""


class Leak:
    """Give it the events of an utterance in order. `other_at`: the sample up to which the sound was captured in which
    somebody else was sure for the first time."""

    def __init__(self, other_at: int) -> None:
        self._until = other_at - _LEAD
        self._at = 0

    def silenced(self, event: SpeechEvent) -> SpeechEvent:
        """The event, with silence in place of the leak."""
        if isinstance(event, SpeechStarted):
            self._at = event.start
            return replace(event, pcm=self._next(event.pcm))
        if isinstance(event, SpeechAudio):
            return replace(event, pcm=self._next(event.pcm))
        if isinstance(event, SpeechPaused | SpeechEnded):
            return replace(event, utterance=self._whole(event.utterance))
        return event

    def _next(self, pcm: bytes) -> bytes:
        start, self._at = self._at, self._at + len(pcm) // SAMPLE_BYTES
        return self._from(start, pcm)

    def _whole(self, utterance: Utterance) -> Utterance:
        return replace(utterance, pcm=self._from(utterance.start, utterance.pcm))

    def _from(self, start: int, pcm: bytes) -> bytes:
        quiet = max(0, min(len(pcm), (self._until - start) * SAMPLE_BYTES))
        return bytes(quiet) + pcm[quiet:] if quiet else pcm
