"""The pauses of the current utterance: whether preemptive work runs in one, and what the endpointer is told about it.

Knows no turn. All times are sample indices.
"""

from __future__ import annotations

from collections.abc import Callable

from voiceloop.capture.endpointing.messages import Message, PauseMissed, TextAwaited, TextKnown
from voiceloop.turns.preemptive import PreemptiveGeneration
from voiceloop.types import CAPTURE_RATE_HZ, Transcript


class Pauses:
    """The pauses of one utterance after the other: `start` begins an utterance, `end` ends it.

    Within it `begin` starts a pause and `resume` ends one.
    """

    def __init__(
        self,
        tell: Callable[[Message], None],
        preemptive: PreemptiveGeneration,
        language: str | None,
        *,
        punctuated: bool = True,
    ) -> None:
        """`tell` reaches the endpointer. `punctuated`: the transcriber's full stops and question marks mean
        something."""
        self._punctuated = punctuated
        self._tell = tell
        self._preemptive = preemptive
        self._language = language
        self._onset = 0
        self._since: int | None = None
        """Where the pause under way began."""
        self._working = False
        self._quiet = 0
        """Samples of quiet in the utterance's earlier pauses."""

    def start(self, onset: int) -> None:
        """An utterance began at the sample `onset`."""
        self._onset, self._since, self._working, self._quiet = onset, None, False, 0

    @property
    def working(self) -> bool:
        """Whether preemptive work runs in the pause under way."""
        return self._working

    def begin(self, since: int, *, may_work: bool) -> None:
        """A pause began at the sample `since`. Without `may_work` there is no preemptive work in it."""
        self._since = since
        self._working = may_work and self._preemptive.allowed
        if may_work:
            self._preemptive.count_pause()
        if self._working:
            self._tell(TextAwaited(since))

    def resume(self, at: int) -> None:
        """The user goes on from the sample `at`."""
        if self._since is not None:
            self._quiet += at - self._since
        self._since, self._working = None, False

    def end(self) -> None:
        """The utterance is over, or no turn takes it any more."""
        self._since, self._working = None, False

    def transcribed(self, transcript: Transcript) -> None:
        """The text of the speech before the pause under way is known: tell the endpointer."""
        # The configured language is surer than what a service makes of half a sentence.
        self._tell_endpointer(transcript.text, self._language or transcript.language)

    def untranscribed(self) -> None:
        """The pause under way will have no text: tell the endpointer, which then goes by its length alone."""
        self._tell_endpointer("", self._language)

    def voice_ms(self, *, until: int) -> float:
        """Voice from the onset to the sample `until`, pauses not counted."""
        return (until - self._onset - self._quiet) * 1000 / CAPTURE_RATE_HZ

    def add_missed(self, since: int) -> None:
        """The quiet from `since` to the onset had been taken for the end of the speech, but was a pause in it: the
        endpointer learns from it."""
        self._tell(PauseMissed(start=since, at=self._onset))

    def _tell_endpointer(self, text: str, language: str | None) -> None:
        if self._working and self._since is not None:
            self._tell(TextKnown(text, at=self._since, language=language, punctuated=self._punctuated))
