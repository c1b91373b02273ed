"""The pauses in what is being said: whether work goes ahead in one, and what the endpointer is told of it.

Knows no turn and decides nothing about them; all times are sample indices.
"""

from __future__ import annotations

from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.turns.preemptive import Speculation
from voiceloop.types import CAPTURE_RATE_HZ, Transcript


class Pauses:
    """Those of one utterance after the other: `start` begins one, `end` ends it."""

    def __init__(self, endpointer: Endpointer, speculation: Speculation, language: str | None) -> None:
        self._endpointer = endpointer
        self._speculation = speculation
        self._language = language
        self._onset = 0
        self._since: int | None = None
        self._ahead = False
        self._quiet = 0

    def start(self, onset: int) -> None:
        """An utterance began, at that sample."""
        self._onset, self._since, self._ahead, self._quiet = onset, None, False, 0

    def begin(self, since: int, *, ahead: bool) -> bool:
        """It has been quiet from `since` on; says whether work goes ahead, which it does not unless `ahead`."""
        self._since = since
        self._ahead = ahead and self._speculation.may()
        if self._ahead:
            self._endpointer.awaiting(since)
        return self._ahead

    def over(self, at: int) -> bool:
        """Speech goes on from `at` on; says whether work had gone ahead."""
        ahead, since = self._ahead, self._since
        self._since, self._ahead = None, False
        if since is not None:
            self._quiet += at - since
        return ahead

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
