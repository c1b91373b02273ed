"""The pauses in what is being said: whether work goes ahead in one, and what the endpointer is told of it.

Knows no turn and decides nothing about them; all times are sample indices.
"""

from __future__ import annotations

from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CAPTURE_RATE_HZ, Transcript


class Pauses:
    """Those of one utterance after the other: `start` begins one, `end` ends it."""

    def __init__(self, endpointer: Endpointer, preemptive: PreemptiveGeneration, language: str | None) -> None:
        self._endpointer = endpointer
        self._preemptive = preemptive
        self._language = language
        self._onset = 0
        self._since: int | None = None
        self._ahead = False
        self._quiet = 0

    def start(self, onset: int) -> None:
        """An utterance began, at that sample."""
        self._onset, self._since, self._ahead, self._quiet = onset, None, False, 0

    @property
    def ahead(self) -> bool:
        """Whether work goes ahead in the pause that lasts."""
        return self._ahead

    def begin(self, since: int, *, ahead: bool) -> None:
        """It has been quiet from `since` on. Work goes ahead only if `ahead`."""
        self._since = since
        self._ahead = ahead and self._preemptive.allowed
        if ahead:
            self._preemptive.count_pause()
        if self._ahead:
            self._endpointer.awaiting(since)

    def over(self, at: int) -> None:
        """Speech goes on from `at` on."""
        if self._since is not None:
            self._quiet += at - self._since
        self._since, self._ahead = None, False

    def end(self) -> None:
        """The utterance is over, or nobody hears it any more."""
        self._since, self._ahead = None, False

    def heard(self, transcript: Transcript) -> None:
        """What was said up to the pause that lasts."""
        # What the config says is surer than what a service makes of half a sentence.
        self._judge(transcript.text, self._language or transcript.language)

    def unheard(self) -> None:
        """No text will come for the pause that lasts: how long it lasts alone decides."""
        self._judge("", self._language)

    def outlasts(self, voiced_end: int, voice_ms: float) -> bool:
        """Whether there was so much voice since the onset, up to `voiced_end`. Pauses are none."""
        return (voiced_end - self._onset - self._quiet) * 1000 >= voice_ms * CAPTURE_RATE_HZ

    def was_one(self, since: int) -> None:
        """The quiet between `since` and the onset, which was taken for the end, was a pause."""
        self._endpointer.resumed(since, self._onset)

    def _judge(self, text: str, language: str | None) -> None:
        if self._ahead and self._since is not None:
            self._endpointer.heard(text, at=self._since, language=language)
