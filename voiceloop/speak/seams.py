"""Seams: the silences where the pieces of one text meet, which an engine spoke one by one. Pure.

An engine begins and ends each piece with silence, as if it were a whole text: together 0.8 s with hibari, in the middle
of a sentence. What is before the first piece and after the last stays: `trimming.py` deals with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from voiceloop.audio.audible import AudibleRuns, Run
from voiceloop.speak.trimming import ONSET_S, pause_s
from voiceloop.types import SAMPLE_BYTES

SEARCHED_S = 1.0
"""How much of a piece is looked at, at either end."""


class Seams:
    """Takes the pieces of one text in their order, and cuts the silences between them to natural pauses."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._begun = False

    def piece(self, pcm: bytes, text: str, following: str | None) -> bytes:
        """The sound of a piece that says `text`, without what is too much. `following` is the text of the next piece;
        None if this is the last one."""
        if self._begun:
            pcm = pcm[self._surplus(self._silent_at_start(pcm), ONSET_S) :]
        if following is not None:
            pcm = pcm[: len(pcm) - self._surplus(self._silent_at_end(pcm), pause_s(text, following) - ONSET_S)]
        self._begun = self._begun or bool(pcm)
        return pcm

    def _surplus(self, silent: int, wanted_s: float) -> int:
        """How many of `silent` bytes are too many."""
        return max(0, silent - self._bytes(wanted_s))

    def _silent_at_start(self, pcm: bytes) -> int:
        """How many bytes of silence `pcm` begins with, of those that are looked at."""
        return _silent(self._runs(pcm[: self._bytes(SEARCHED_S)]))

    def _silent_at_end(self, pcm: bytes) -> int:
        """How many bytes of silence `pcm` ends with, of those that are looked at."""
        return _silent(reversed(self._runs(pcm[-self._bytes(SEARCHED_S) :])))

    def _runs(self, pcm: bytes) -> list[Run]:
        runs = AudibleRuns(self._rate_hz)
        return runs.feed(pcm) + runs.finish()

    def _bytes(self, seconds: float) -> int:
        return round(seconds * self._rate_hz) * SAMPLE_BYTES


def _silent(runs: Iterable[Run]) -> int:
    """The length of the silent runs before the first audible one, in bytes."""
    return sum(len(run.pcm) for run in takewhile(lambda run: not run.audible, runs))
