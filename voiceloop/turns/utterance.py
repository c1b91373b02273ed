"""The current utterance: the turn that takes it, its pauses, and whether it counts while the loop is asleep.

Decides nothing about turns. An utterance can be without a turn: its turn has ended before the user finished, or too
many turns were waiting when it began.
"""

from __future__ import annotations

from collections.abc import Callable

from voiceloop.capture.endpointing.messages import Message
from voiceloop.capture.speech_events import SpeechPaused, SpeechResumed
from voiceloop.plugins import is_preemptive, punctuates
from voiceloop.turns.context import TurnContext
from voiceloop.turns.pauses import Pauses
from voiceloop.turns.turn import Turn
from voiceloop.types import Transcript, Utterance

WAKING_S = 3.0
"""The longest utterance that is transcribed while the loop is asleep, pre-roll and tail included. "Wake up" is shorter;
longer speech is a conversation that the loop must neither send away nor pay for."""


class CurrentUtterance:
    """One utterance after the other: `begin` starts one, or the next piece of one that was cut for length; `finish`
    ends it."""

    def __init__(self, context: TurnContext, tell: Callable[[Message], None]) -> None:
        self.turn: Turn | None = None
        """The turn that takes the utterance, until the utterance is finished."""
        self.pauses = Pauses(tell, context.preemptive, context.language, punctuated=punctuates(context.transcriber))
        self._asleep = context.asleep
        self._is_preemptive = is_preemptive(context.transcriber)
        self._rest_ignored = False
        """What follows is the rest of an utterance that was too long to wake the loop."""

    def begin(self, turn: Turn | None, pcm: bytes) -> None:
        """From now on `turn`, if there is one, takes the utterance, which begins with `pcm`."""
        self.turn = turn
        if turn is not None:
            # Asleep, what is too long to wake the loop is never sent, not even as it comes.
            turn.transcribing.begin(held=self._asleep())
            turn.transcribing.feed(pcm)

    def pause(self, event: SpeechPaused, *, is_echo: bool = False) -> None:
        """The user has paused: start preemptive work as if the utterance were complete, unless it was an echo."""
        if self.turn is None:
            return
        if is_echo:
            self.pauses.begin(event.since, may_work=False)
            return
        asleep = self._asleep()
        if not asleep:  # while asleep, the utterance may yet get too long to be taken, and is then not to be kept
            self.turn.journal.paused(event.utterance)
        self.pauses.begin(event.since, may_work=self._is_preemptive and not asleep)
        if self.pauses.working:
            self.turn.pause(event.utterance, since=event.since)

    def resume(self, event: SpeechResumed) -> None:
        """The user goes on after a pause: throw away the preemptive work."""
        working = self.pauses.working
        self.pauses.resume(event.at)
        if working and self.turn is not None:
            self.turn.resume()

    def counts(self, utterance: Utterance) -> bool:
        """Whether a complete or cut utterance is to be taken: always while awake; while asleep only if it is short."""
        return not (self._asleep() and (self._rest_ignored or utterance.duration_s > WAKING_S))

    def ended(self, utterance: Utterance) -> None:
        """Note that the utterance is complete or was cut. If it doesn't count, neither does the rest of it."""
        self._rest_ignored = utterance.continues and not self.counts(utterance)

    def finish(self) -> Turn | None:
        """The user has finished the utterance. Returns the turn that took it."""
        self.pauses.end()
        turn, self.turn = self.turn, None
        return turn

    def release(self, turn: Turn) -> None:
        """`turn` has ended. If it was taking the current utterance, the rest of that is without a turn."""
        if turn is self.turn:
            self.pauses.untranscribed()
            self.finish()

    def transcribed(self, turn: Turn, transcript: Transcript) -> None:
        """The text of what was said in `turn` so far is known."""
        if turn is self.turn:
            self.pauses.transcribed(transcript)

    def untranscribed(self, turn: Turn) -> None:
        """What was said in `turn` so far will have no text: its transcription failed."""
        if turn is self.turn:
            self.pauses.untranscribed()
