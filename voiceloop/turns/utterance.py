"""What is being said: the turn that hears it, its pauses, and whether it is too long to wake anybody.

Decides nothing about turns. It may be that none hears what is being said: its turn has ended first, or too many wait.
"""

from __future__ import annotations

from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.segmenter import SpeechPaused, SpeechResumed
from voiceloop.plugins import is_preemptive
from voiceloop.turns.context import TurnContext
from voiceloop.turns.pauses import Pauses
from voiceloop.turns.turn import Turn
from voiceloop.types import Transcript, Utterance

WAKING_S = 3.0
"""What is said while it sleeps is transcribed only up to this length, pre-roll and tail included: "wake up" is shorter,
and nobody pays for a conversation that is none of its business, nor has it sent away."""


class CurrentUtterance:
    """One utterance after the other: `hear` begins one, or the rest of one that was cut for length; `over` ends it."""

    def __init__(self, context: TurnContext, endpointer: Endpointer) -> None:
        self.turn: Turn | None = None
        """The turn that hears it, until all of it was said."""
        self.pauses = Pauses(endpointer, context.preemptive, context.language)
        self._asleep = context.asleep
        self._is_preemptive = is_preemptive(context.transcriber)
        self._overheard = False
        """It goes on from what was too long to wake it."""

    def hear(self, turn: Turn | None, pcm: bytes) -> None:
        """`turn`, if any, hears it from now on; `pcm` is how it begins."""
        self.turn = turn
        if turn is not None:
            turn.transcribing.begin()
            turn.transcribing.feed(pcm)

    def pause(self, event: SpeechPaused) -> None:
        """Work ahead as if that was all, while the pause may yet turn out to be none."""
        if self.turn is None:
            return
        asleep = self._asleep()
        if not asleep:  # else it may yet be too long to be any business of ours
            self.turn.kept.paused(event.utterance)
        self.pauses.begin(event.since, ahead=self._is_preemptive and not asleep)
        if self.pauses.ahead:
            self.turn.pause(event.utterance, since=event.since)

    def resume(self, event: SpeechResumed) -> None:
        """The pause was none."""
        ahead = self.pauses.ahead
        self.pauses.over(event.at)
        if ahead and self.turn is not None:
            self.turn.resume()

    def counts(self, utterance: Utterance) -> bool:
        """Whether the utterance, which is complete or was cut, is any business of a loop that may be asleep."""
        return not (self._asleep() and (self._overheard or utterance.duration_s > WAKING_S))

    def ended(self, utterance: Utterance) -> None:
        """The utterance is complete or was cut: if it does not count, the rest of it does not either."""
        self._overheard = utterance.continues and not self.counts(utterance)

    def over(self) -> Turn | None:
        """All of it was said; returns the turn that heard it."""
        self.pauses.end()
        turn, self.turn = self.turn, None
        return turn

    def lose(self, turn: Turn) -> None:
        """`turn` has ended; if it is the one that hears, that is before the user did."""
        if turn is self.turn:
            self.pauses.unheard()
            self.over()

    def transcribed(self, turn: Turn, transcript: Transcript) -> None:
        """What was said in `turn` up to now is known."""
        if turn is self.turn:
            self.pauses.heard(transcript)

    def untranscribed(self, turn: Turn) -> None:
        """What was said in `turn` up to now will not be known."""
        if turn is self.turn:
            self.pauses.unheard()
