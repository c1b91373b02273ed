"""Which turn is live: hush, barge-in, and what of a turn goes into the history; a turn never writes it itself.

It is told what the segmenter found, and answers by starting, holding, cancelling and committing turns. All that it is
told is synchronous: hearing never waits for a reply. How turns relate is the handler's to say:

    replace     One turn is live. Voice over it makes a candidate beside it and hushes its reply, reversibly. The
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

from voiceloop.capture.early_voice import Stir
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
from voiceloop.turns.context import Stage
from voiceloop.turns.ducking import Floor
from voiceloop.turns.history import History
from voiceloop.turns.own_voice import OwnVoice
from voiceloop.turns.preemptive import Tally
from voiceloop.turns.running_turns import Roster
from voiceloop.turns.turn import Turn
from voiceloop.turns.turn_events import sound_earcon, tell, warm
from voiceloop.turns.utterance import Saying
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Message, Transcript, Usage, Utterance


@asynccontextmanager
async def open_conversation(stage: Stage, endpointer: Endpointer | None = None) -> AsyncIterator[Conversation]:
    """A conversation whose turns live in a nursery of their own; leaving waits for the last one to end.

    `endpointer` is told what was said before a pause, while it lasts.
    """
    async with trio.open_nursery() as nursery:
        yield Conversation(stage, nursery, endpointer or Endpointer())


class Conversation:
    def __init__(self, stage: Stage, nursery: trio.Nursery, endpointer: Endpointer) -> None:
        self._stage = stage
        self._nursery = nursery
        self._roster = Roster(stage, nursery, self._over)
        self._history = History(stage.settings.history_turns)
        self._saying = Saying(stage, endpointer)
        self._floor = Floor(stage.speaker, stage.publish)
        self._replaces = stage.handler.turns == "replace"
        self._live: Turn | None = None
        self._candidate: Turn | None = None
        self._weigh_at = 0
        """When it is asked whether what is said over the reply is a copy of it."""
        self.own_voice = OwnVoice(stage)

    @property
    def history(self) -> tuple[Message, ...]:
        """What was said and heard, oldest first."""
        return self._history.messages()

    @property
    def usage(self) -> Usage | None:
        """What all turns so far have taken."""
        return self._roster.usage

    @property
    def hearing(self) -> bool:
        """Whether something is being said."""
        return self._saying.turn is not None

    @property
    def working(self) -> int:
        """How many turns are at work on what was said."""
        return len(self._roster.at_work) - self.hearing

    @property
    def wasted(self) -> Tally:
        """What was asked of services for nothing, because the user went on."""
        return self._stage.speculation.wasted

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

    def stirred(self, stir: Stir) -> None:
        """Take the first signs of voice, or that they were none. Never waits."""
        if not self.own_voice.is_known_in(self._live):
            self._floor.now(stir=stir)

    def stop(self, reason: CancelReason, *, up_to: int | None = None) -> None:
        """Cancel every turn, or all up to a number: the reply ends at once, and none of what was said is acted upon."""
        for turn in self._roster.at_work:
            if up_to is None or turn.number <= up_to:
                self._cancel(turn, reason)
        self._silence()

    # What the user does

    def _started(self, event: SpeechStarted) -> None:
        self._saying.pauses.start(event.onset)
        self._weigh_at = 0
        self.own_voice.begin(event.pcm)
        self._stage.publish("speech.started", at_s=event.onset / CAPTURE_RATE_HZ)
        self._nursery.start_soon(warm, self._stage, event.onset)
        self._floor.now(speaking=not self.own_voice.is_known_in(self._live))
        self._saying.hear(self._saying.turn or self._open_turn(), event.pcm)
        self._weigh(event.noticed)

    def _open_turn(self) -> Turn | None:
        turn = self._roster.open(self._history.messages, self._transcribed, self._saying.untranscribed)
        if turn is not None and self._replaces:
            self._enter(turn)
        return turn

    def _enter(self, turn: Turn) -> None:
        """Make `turn` live, or, when a turn is, the candidate beside it."""
        if self._live is None:
            self._live = turn
            return
        if self._candidate is not None:  # undecided still, and the user goes on: it is one thing that is being said
            turn.listening.before = self._candidate.listening.said()
            self._cancel(self._candidate, CancelReason.JOINED)
        self._candidate = turn

    def _audio(self, event: SpeechAudio) -> None:
        if self._saying.turn is not None:
            self._saying.turn.listening.feed(event.pcm)
            self.own_voice.feed(event.pcm)
            self._weigh(event.voiced_end)

    def _paused(self, event: SpeechPaused) -> None:
        self._stage.publish("speech.paused", at_s=event.since / CAPTURE_RATE_HZ)
        if self._saying.turn is not None and not self._copies_reply(self._saying.turn):
            self._saying.pause(event)

    def _resumed(self, event: SpeechResumed) -> None:
        self._stage.publish("speech.resumed", at_s=event.at / CAPTURE_RATE_HZ)
        self._saying.resume(event)

    def _weigh(self, voiced_end: int) -> None:
        """Enough voice over a reply is a barge-in, whatever the words."""
        turn, enough = self._saying.turn, self._stage.settings.barge_in_ms
        if turn is None or turn is not self._candidate:
            return
        if voiced_end < self._weigh_at or not self._saying.pauses.outlasts(voiced_end, enough):
            return
        self._weigh_at = voiced_end + enough * CAPTURE_RATE_HZ // 2000
        if not self._copies_reply(turn):
            self._promote(turn)

    def _ended(self, utterance: Utterance) -> None:
        if not self._saying.counts(utterance):
            self._dropped()
            return
        self._saying.pauses.end()
        self._stage.publish(
            "speech.ended", start_s=utterance.start / CAPTURE_RATE_HZ, end_s=utterance.voiced_end / CAPTURE_RATE_HZ
        )
        if self._saying.turn is None:  # the turn that heard it has failed meanwhile: what was said is not lost with it
            self._saying.hear(self._open_turn(), utterance.pcm)
        if self._saying.turn is None:
            self._roster.refuse(utterance)
        else:
            self._saying.turn.end(utterance)
        if not utterance.continues:
            self._said()

    def _said(self) -> None:
        """The user has finished speaking."""
        turn = self._saying.over()
        if turn is not None:
            if self._copies_reply(turn) and not turn.listening.before:  # else somebody said an earlier part of it
                self._drop_own_voice(turn)
            else:
                self._commit(turn)
        self._floor.now(speaking=False)

    def _dropped(self) -> None:
        turn = self._saying.over()
        self._stage.publish("speech.dropped")
        if turn is not None:
            turn.listening.drop()
            self._commit(turn)
        self._floor.now(speaking=False)

    # What follows from it

    def _commit(self, turn: Turn) -> None:
        """Open the gate of the turn, unless the user still speaks or it is beside another."""
        if turn is self._saying.turn:
            return
        if turn is not self._candidate:
            turn.commit()
        else:
            self._floor.now(undecided=True)
            self._nursery.start_soon(self._lose_patience, turn)

    async def _lose_patience(self, turn: Turn) -> None:
        """A service that is slow to say what a short sound was must not keep the reply silent: it goes on meanwhile."""
        with trio.move_on_after(self._stage.settings.decide_ms / 1000):
            await turn.ended.wait()
        if turn is self._candidate:
            self._floor.now(undecided=False)

    def _transcribed(self, turn: Turn, transcript: Transcript) -> bool:
        settings = self._stage.settings
        text = transcript.text
        self._saying.transcribed(turn, transcript)
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
        elif self._stage.handler.turns == "exclusive" and is_only(text, settings.stop_words):
            if not turn.complete:
                return False
            self.stop(CancelReason.STOP_WORD, up_to=turn.number)
        return True

    def _drop_own_voice(self, turn: Turn) -> None:
        """Nobody said it."""
        self.own_voice.dropped += 1
        self._stage.publish("echo.dropped", turn=turn.number)
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
            self._floor.now(speaking=False, stir=Stir.CALM)
        return True

    def _promote(self, turn: Turn) -> None:
        """The candidate takes over: the live turn ends here, at this sample."""
        live, self._candidate, self._live = self._live, None, turn
        if live is not None:
            if live.heard_s() * 1000 < self._stage.settings.merge_ms and not live.acted:
                self._merge(live, turn)
            else:
                self._history.record(live)
                self._cancel(live, CancelReason.BARGE_IN)
        self._floor.undecided = False
        self._silence()
        self._commit(turn)

    def _silence(self) -> None:
        """Discard what is in the ring; the next reply sounds only when the user leaves it the floor."""
        self._floor.clear()
        self._stage.audible.cut(self._stage.now() + self._stage.speaker.latency_s)

    def _merge(self, live: Turn, turn: Turn) -> None:
        """Hardly anything of the reply was heard: the user had not finished, and `turn` goes on with what was said."""
        if said := live.listening.said():
            self._saying.pauses.was_one(said[-1].utterance.voiced_end)
        turn.take_over(live)
        self._cancel(live, CancelReason.MERGED)

    def _give_way(self, turn: Turn, reason: CancelReason | None) -> None:
        """The candidate was nothing: the reply goes on from the sample where it froze."""
        self._candidate = None
        self._cancel(turn, reason)
        self._floor.now(undecided=False)

    def _cancel(self, turn: Turn, reason: CancelReason | None) -> None:
        self._roster.remove(turn)
        turn.cancel(reason)
        self._saying.lose(turn)  # the rest of what is being said is a turn of its own
        if turn is self._live:
            self._live = None
        if turn is self._candidate:
            self._candidate, self._floor.undecided = None, False

    def _over(self, turn: Turn) -> None:
        """A turn has ended, by itself or cancelled."""
        self._saying.lose(turn)
        if self._roster.remove(turn):  # it came to its own end
            self._history.record(turn)
            self._leave(turn)
        tell(turn)
        if turn.error is not None and self._stage.settings.earcon and self._live is None:
            self._nursery.start_soon(sound_earcon, self._stage.speaker)

    def _leave(self, turn: Turn) -> None:
        if turn is self._candidate:
            self._give_way(turn, turn.reason)
        elif turn is self._live:
            self._live = None
            if turn.outcome == "failed":  # whatever of it is still in the ring belongs to no turn any more
                self._silence()
            if self._candidate is not None:
                self._promote(self._candidate)
