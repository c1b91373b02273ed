"""Which turn is live: hold, barge-in, and what of a turn goes into the history; a turn never writes it itself.

It is told what the segmenter found, and answers by starting, holding, cancelling and committing turns. All that it is
told is synchronous: hearing never waits for a reply. How turns relate is the handler's to say:

    replace     One turn is live. Voice over it makes a candidate beside it and holds its reply, reversibly. The
                candidate takes over after `barge_in_ms` of voice, or when its text is more than a backchannel;
                otherwise it is dropped and the reply goes on where it froze. A turn that is replaced before
                `merge_ms` of its reply was heard gives its speech to the one that replaces it.
    in_order    Every utterance is a turn; transcriptions overlap, handlers run in the order of speaking.
    exclusive   As in_order; nothing that is said stops the turn at work but one of the stop words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.segmenter import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.transcribe.merging import is_empty, is_only
from voiceloop.turns.context import TurnContext
from voiceloop.turns.ducking import Ducking
from voiceloop.turns.history import History
from voiceloop.turns.own_voice import OwnVoice
from voiceloop.turns.preemptive import Tally
from voiceloop.turns.running_turns import RunningTurns
from voiceloop.turns.turn import Turn
from voiceloop.turns.turn_events import sound_earcon, tell, warm
from voiceloop.turns.utterance import CurrentUtterance
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Message, Transcript, Usage, Utterance


@asynccontextmanager
async def open_conversation(context: TurnContext, endpointer: Endpointer | None = None) -> AsyncIterator[Conversation]:
    """A conversation whose turns live in a nursery of their own; leaving waits for the last one to end.

    `endpointer` is told what was said before a pause, while it lasts.
    """
    async with trio.open_nursery() as nursery:
        yield Conversation(context, nursery, endpointer or Endpointer())


class Conversation:
    def __init__(self, context: TurnContext, nursery: trio.Nursery, endpointer: Endpointer) -> None:
        self._context = context
        self._nursery = nursery
        self._running = RunningTurns(context, nursery, self._over)
        self._history = History(context.settings.history_turns)
        self._current = CurrentUtterance(context, endpointer)
        self._ducking = Ducking(context.speaker, context.publish)
        self._replaces = context.handler.turns == "replace"
        self._live: Turn | None = None
        self._candidate: Turn | None = None
        self._weigh_at = 0
        """When it is asked whether what is said over the reply is a copy of it."""
        self.own_voice = OwnVoice(context)

    @property
    def history(self) -> tuple[Message, ...]:
        """What was said and heard, oldest first."""
        return self._history.messages()

    @property
    def usage(self) -> Usage | None:
        """What all turns so far have taken."""
        return self._running.usage

    @property
    def hearing(self) -> bool:
        """Whether something is being said."""
        return self._current.turn is not None

    @property
    def working(self) -> int:
        """How many turns are at work on what was said."""
        return len(self._running.at_work) - (1 if self.hearing else 0)

    @property
    def wasted(self) -> Tally:
        """What was asked of services for nothing, because the user went on."""
        return self._context.preemptive.wasted

    def on(self, event: SpeechEvent) -> None:
        """Take what the segmenter found. Never waits."""
        match event:
            case SpeechStarted():
                self._started(event)
            case SpeechAudio():
                self._audio(event)
            case SpeechPaused():
                self._paused(event)
            case SpeechResumed():
                self._resumed(event)
            case SpeechEnded(utterance):
                self._ended(utterance)
            case SpeechDropped():
                self._dropped()

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Take the first signs of voice, or that they were none. Never waits."""
        if not self.own_voice.is_known_in(self._live):
            self._ducking.now(early_voice=early_voice)

    def stop(self, reason: CancelReason, *, up_to: int | None = None) -> None:
        """Cancel every turn, or all up to a number: the reply ends at once, and none of what was said is acted upon."""
        for turn in self._running.at_work:
            if up_to is None or turn.number <= up_to:
                self._cancel(turn, reason)
        self._silence()

    # What the user does

    def _started(self, event: SpeechStarted) -> None:
        self._current.pauses.start(event.onset)
        self._weigh_at = 0
        self.own_voice.begin(event.pcm)
        self._context.publish("speech.started", at_s=event.onset / CAPTURE_RATE_HZ)
        self._nursery.start_soon(warm, self._context, event.onset)
        self._ducking.now(speaking=not self.own_voice.is_known_in(self._live))
        self._current.hear(self._current.turn or self._open_turn(), event.pcm)
        self._weigh(event.noticed)

    def _open_turn(self) -> Turn | None:
        turn = self._running.open(self._history.messages, self._transcribed, self._current.untranscribed)
        if turn is not None and self._replaces:
            self._enter(turn)
        return turn

    def _enter(self, turn: Turn) -> None:
        """Make `turn` live, or, when a turn is, the candidate beside it."""
        if self._live is None:
            self._live = turn
            return
        if self._candidate is not None:  # undecided still, and the user goes on: it is one thing that is being said
            turn.transcribing.before = self._candidate.transcribing.said()
            self._cancel(self._candidate, CancelReason.JOINED)
        self._candidate = turn

    def _audio(self, event: SpeechAudio) -> None:
        if self._current.turn is not None:
            self._current.turn.transcribing.feed(event.pcm)
            self.own_voice.feed(event.pcm)
            self._weigh(event.voiced_end)

    def _paused(self, event: SpeechPaused) -> None:
        self._context.publish("speech.paused", at_s=event.since / CAPTURE_RATE_HZ)
        if self._current.turn is not None and not self._copies_reply(self._current.turn):
            self._current.pause(event)

    def _resumed(self, event: SpeechResumed) -> None:
        self._context.publish("speech.resumed", at_s=event.at / CAPTURE_RATE_HZ)
        self._current.resume(event)

    def _weigh(self, voiced_end: int) -> None:
        """Enough voice over a reply is a barge-in, whatever the words."""
        turn, enough = self._current.turn, self._context.settings.barge_in_ms
        if turn is None or turn is not self._candidate:
            return
        if voiced_end < self._weigh_at or not self._current.pauses.outlasts(voiced_end, enough):
            return
        self._weigh_at = voiced_end + enough * CAPTURE_RATE_HZ // 2000
        if not self._copies_reply(turn):
            self._promote(turn)

    def _ended(self, utterance: Utterance) -> None:
        counts = self._current.counts(utterance)
        self._current.ended(utterance)
        if not counts:
            self._dropped()
            return
        self._current.pauses.end()
        self._context.publish(
            "speech.ended", start_s=utterance.start / CAPTURE_RATE_HZ, end_s=utterance.voiced_end / CAPTURE_RATE_HZ
        )
        if self._current.turn is None:  # the turn that heard it has failed meanwhile: what was said is not lost with it
            self._current.hear(self._open_turn(), utterance.pcm)
        if self._current.turn is None:
            self._running.refuse(utterance)
        else:
            self._current.turn.end(utterance)
        if not utterance.continues:
            self._said()

    def _said(self) -> None:
        """The user has finished speaking."""
        turn = self._current.over()
        if turn is not None:
            if self._copies_reply(turn) and not turn.transcribing.before:  # else somebody said an earlier part of it
                self._drop_own_voice(turn)
            else:
                self._commit(turn)
        self._ducking.now(speaking=False)

    def _dropped(self) -> None:
        turn = self._current.over()
        self._context.publish("speech.dropped")
        if turn is not None:
            turn.transcribing.drop()
            self._commit(turn)
        self._ducking.now(speaking=False)

    # What follows from it

    def _commit(self, turn: Turn) -> None:
        """Open the gate of the turn, unless the user still speaks or it is beside another."""
        if turn is self._current.turn:
            return
        if turn is not self._candidate:
            turn.commit()
        else:
            self._ducking.now(undecided=True)
            self._nursery.start_soon(self._lose_patience, turn)

    async def _lose_patience(self, turn: Turn) -> None:
        """A service that is slow to say what a short sound was must not keep the reply silent: it goes on meanwhile."""
        with trio.move_on_after(self._context.settings.decide_ms / 1000):
            await turn.ended.wait()
        if turn is self._candidate:
            self._ducking.now(undecided=False)

    def _transcribed(self, turn: Turn, transcript: Transcript) -> bool:
        settings = self._context.settings
        text = transcript.text
        self._current.transcribed(turn, transcript)
        if self.own_voice.repeats(transcript):
            if turn.complete:
                self._drop_own_voice(turn)
            return turn.complete
        if turn is self._candidate:
            if not (is_empty(text) or is_only(text, settings.backchannels)):
                self._promote(turn)
            elif not turn.complete:
                return False
            else:
                self._give_way(turn, CancelReason.BACKCHANNEL)
        elif self._context.handler.turns == "exclusive" and is_only(text, settings.stop_words):
            if not turn.complete:
                return False
            self.stop(CancelReason.STOP_WORD, up_to=turn.number)
        return True

    def _drop_own_voice(self, turn: Turn) -> None:
        """Nobody said it."""
        self.own_voice.dropped += 1
        self._context.publish("echo.dropped", turn=turn.number)
        if turn is self._candidate:
            self._give_way(turn, CancelReason.ECHO)
        else:
            self._cancel(turn, CancelReason.ECHO)
            if self._candidate is not None:
                self._promote(self._candidate)

    def _copies_reply(self, turn: Turn) -> bool:
        """Whether what is said is a copy of what was just played. A reply that it is said over no longer yields but to
        another voice: it would stop at each of its own words."""
        if not self.own_voice.copies():
            return False
        if turn is self._candidate:
            self.own_voice.known_in = self._live
            self._ducking.now(speaking=False, early_voice=EarlyVoice.CALM)
        return True

    def _promote(self, turn: Turn) -> None:
        """The candidate takes over: the live turn ends here, at this sample."""
        live, self._candidate, self._live = self._live, None, turn
        if live is not None:
            if live.heard_s() * 1000 < self._context.settings.merge_ms and not live.acted:
                self._merge(live, turn)
            else:
                self._history.record(live)
                self._cancel(live, CancelReason.BARGE_IN)
        self._ducking.undecided = False
        self._silence()
        self._commit(turn)

    def _silence(self) -> None:
        """Discard what is in the ring; the next reply sounds only when the user leaves it the floor."""
        self._ducking.clear()
        self._context.audible.cut(self._context.now() + self._context.speaker.latency_s)

    def _merge(self, live: Turn, turn: Turn) -> None:
        """Hardly anything of the reply was heard: the user had not finished, and `turn` goes on with what was said."""
        if said := live.transcribing.said():
            self._current.pauses.was_one(said[-1].utterance.voiced_end)
        turn.take_over(live)
        self._cancel(live, CancelReason.MERGED)

    def _give_way(self, turn: Turn, reason: CancelReason | None) -> None:
        """The candidate was nothing: the reply goes on from the sample where it froze."""
        self._candidate = None
        self._cancel(turn, reason)
        self._ducking.now(undecided=False)

    def _cancel(self, turn: Turn, reason: CancelReason | None) -> None:
        self._running.remove(turn)
        turn.cancel(reason)
        self._current.lose(turn)  # the rest of what is being said is a turn of its own
        if turn is self._live:
            self._live = None
        if turn is self._candidate:
            self._candidate, self._ducking.undecided = None, False

    def _over(self, turn: Turn) -> None:
        """A turn has ended, by itself or cancelled."""
        self._current.lose(turn)
        if self._running.remove(turn):  # it came to its own end
            self._history.record(turn)
            self._leave(turn)
        tell(turn)
        if turn.error is not None and self._context.settings.earcon and self._live is None:
            self._nursery.start_soon(sound_earcon, self._context.speaker)

    def _leave(self, turn: Turn) -> None:
        if turn is self._candidate:
            self._give_way(turn, turn.reason)
        elif turn is self._live:
            self._live = None
            if turn.outcome == "failed":  # whatever of it is still in the ring belongs to no turn any more
                self._silence()
            if self._candidate is not None:
                self._promote(self._candidate)
