"""Which turn is live. Owns the turns, the history, the hush and barge-in; a turn never writes history itself.

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

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from voiceloop.attempt import Stage
from voiceloop.capture.endpointer import Endpointer
from voiceloop.capture.segmenter import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.capture.stirring import Stir
from voiceloop.events import TURN
from voiceloop.floor import Floor
from voiceloop.own_voice import OwnVoice
from voiceloop.pauses import Pauses
from voiceloop.plugins import speculates
from voiceloop.said import is_empty, is_only
from voiceloop.speculation import Tally
from voiceloop.telling import sound_earcon, tell, warm
from voiceloop.turn import JOINED, MERGED, STOPPED, Turn
from voiceloop.types import CAPTURE_RATE_HZ, Message, Transcript, Usage, Utterance

WAKING_S = 3.0
"""What is said while it sleeps is transcribed only up to this length, pre-roll and tail included: "wake up" is shorter,
and nobody pays for a conversation that is none of its business, nor has it sent away."""


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
        self._pauses = Pauses(endpointer, stage.speculation, stage.language)
        self._floor = Floor(stage.speaker, stage.publish)
        self._speculates = speculates(stage.transcriber)
        self._replaces = stage.handler.turns == "replace"
        self._number = 0
        self._live: Turn | None = None
        self._candidate: Turn | None = None
        self._hearing: Turn | None = None
        self._continues = False
        self._overheard = False
        """What is being said goes on from what was too long to wake it."""
        self._weigh_at = 0
        """When it is asked whether what is said over the reply is a copy of it."""
        self._working: list[Turn] = []
        self._history: deque[Message] = deque(maxlen=stage.settings.history_turns)
        self.own_voice = OwnVoice(stage)
        self._hears_itself: Turn | None = None
        """The live turn, when the microphone is known to hear its reply."""
        self.usage: Usage | None = None
        """What all turns so far have taken."""

    @property
    def history(self) -> Sequence[Message]:
        """What was said and heard, oldest first."""
        return tuple(self._history)

    @property
    def hearing(self) -> bool:
        """Whether something is being said."""
        return self._hearing is not None

    @property
    def working(self) -> int:
        """How many turns are at work on what was said."""
        return len(self._working) - self.hearing

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
        if not self._hears_its_reply():
            self._floor.now(stir=stir)

    def stop(self, reason: str, *, up_to: int | None = None) -> None:
        """Cancel every turn, or all up to a number: the reply ends at once, and none of what was said is acted upon."""
        for turn in tuple(self._working):
            if up_to is None or turn.number <= up_to:
                self._cancel(turn, reason)
        self._silence()

    # What the user does

    def _started(self, event: SpeechStarted) -> None:
        self._pauses.start(event.onset)
        self._weigh_at = 0
        self.own_voice.begin(event.pcm)
        self._stage.publish("speech.started", at_s=event.onset / CAPTURE_RATE_HZ)
        self._nursery.start_soon(warm, self._stage, event.onset)
        self._floor.now(speaking=not self._hears_its_reply())
        if not self._continues or self._hearing is None:
            self._hearing = self._open_turn()
        if self._hearing is not None:
            self._hearing.listening.begin()
            self._hearing.listening.feed(event.pcm)
            self._weigh(self._hearing, event.noticed)

    def _open_turn(self) -> Turn | None:
        """A new turn; None when too many wait already, which bounds what a handler that hangs can pile up."""
        if not self._replaces and len(self._working) >= self._stage.settings.waiting:
            return None
        self._number += 1
        turn = Turn(self._number, self._stage, lambda: self.history, self._transcribed, self._untranscribed)
        if self._replaces:
            self._enter(turn)
        else:
            turn.follows = tuple(self._working)
        self._working.append(turn)
        self._nursery.start_soon(self._run, turn)
        return turn

    def _enter(self, turn: Turn) -> None:
        """Make `turn` live, or, when a turn is, the candidate beside it."""
        if self._live is None:
            self._live = turn
            return
        if self._candidate is not None:  # undecided still, and the user goes on: it is one thing that is being said
            turn.listening.before = self._candidate.listening.said()
            self._cancel(self._candidate, JOINED)
        self._candidate = turn

    def _audio(self, event: SpeechAudio) -> None:
        if self._hearing is not None:
            self._hearing.listening.feed(event.pcm)
            self.own_voice.feed(event.pcm)
            self._weigh(self._hearing, event.voiced_end)

    def _paused(self, event: SpeechPaused) -> None:
        """Work ahead as if that was all, while the pause may yet turn out to be none."""
        self._stage.publish("speech.paused", at_s=event.since / CAPTURE_RATE_HZ)
        if self._hearing is None or self._copies_reply(self._hearing):
            return
        asleep = self._stage.asleep()
        if not asleep:  # else it may yet be too long to be any business of ours
            self._hearing.kept.paused(event.utterance)
        if self._pauses.begin(event.since, ahead=self._speculates and not asleep):
            self._hearing.pause(event.utterance, since=event.since)

    def _resumed(self, event: SpeechResumed) -> None:
        self._stage.publish("speech.resumed", at_s=event.at / CAPTURE_RATE_HZ)
        if self._pauses.over(event.at) and self._hearing is not None:
            self._hearing.resume()

    def _weigh(self, turn: Turn, voiced_end: int) -> None:
        """Enough voice over a reply is a barge-in, whatever the words."""
        enough = self._stage.settings.barge_in_ms
        if turn is not self._candidate or voiced_end < self._weigh_at or not self._pauses.outlasts(voiced_end, enough):
            return
        self._weigh_at = voiced_end + enough * CAPTURE_RATE_HZ // 2000
        if not self._copies_reply(turn):
            self._promote(turn)

    def _ended(self, utterance: Utterance) -> None:
        if self._stage.asleep() and (self._overheard or utterance.duration_s > WAKING_S):
            self._dropped()
            self._overheard = utterance.continues
            return
        self._pauses.end()
        turn, self._overheard = self._hearing, False
        self._continues = utterance.continues
        self._stage.publish(
            "speech.ended", start_s=utterance.start / CAPTURE_RATE_HZ, end_s=utterance.voiced_end / CAPTURE_RATE_HZ
        )
        if turn is None:  # the turn that heard it has failed meanwhile: what was said is not lost with it
            turn = self._open_turn()
            if turn is None:
                self._refuse(utterance)
                return
            self._hearing = turn
            turn.listening.begin()
            turn.listening.feed(utterance.pcm)
        turn.end(utterance)
        if not utterance.continues:
            own_voice = self._copies_reply(turn)
            self._hearing = None
            if own_voice and not turn.listening.before:  # else an earlier part of the same turn was said by somebody
                self._drop_own_voice(turn)
            else:
                self._commit(turn)
            self._floor.now(speaking=False)

    def _refuse(self, utterance: Utterance) -> None:
        self._number += 1
        kept = self._stage.journal.turn(self._number)
        kept.heard(utterance)
        kept.left("too many utterances waited for the handler (conversation.waiting)")
        self._stage.publish("speech.refused", start_s=utterance.start / CAPTURE_RATE_HZ, waiting=len(self._working))
        if not utterance.continues:
            self._floor.now(speaking=False)

    def _dropped(self) -> None:
        self._pauses.end()
        turn, self._hearing, self._continues, self._overheard = self._hearing, None, False, False
        self._stage.publish("speech.dropped")
        if turn is not None:
            turn.listening.drop()
            self._commit(turn)
        self._floor.now(speaking=False)

    # What follows from it

    def _commit(self, turn: Turn) -> None:
        """The user has finished speaking: open the gate of the turn, unless it is beside another."""
        if turn is self._hearing:
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
        if turn is self._hearing:
            self._pauses.heard(transcript)
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
                self._give_way(turn, "backchannel")
        elif self._stage.handler.turns == "exclusive" and is_only(text, settings.stop_words):
            if not turn.complete:
                return False
            self.stop(STOPPED, up_to=turn.number)
        return True

    def _drop_own_voice(self, turn: Turn) -> None:
        """Nobody said it."""
        self.own_voice.dropped += 1
        self._stage.publish("echo.dropped", turn=turn.number)
        if turn is self._candidate:
            self._give_way(turn, "echo")
        else:
            self._cancel(turn, "echo")
            if self._candidate is not None:
                self._promote(self._candidate)

    def _untranscribed(self, turn: Turn) -> None:
        if turn is self._hearing:
            self._pauses.unheard()

    def _hear_no_more(self) -> None:
        """The turn that hears has ended before the user did."""
        self._pauses.unheard()
        self._pauses.end()
        self._hearing, self._continues = None, False

    def _copies_reply(self, turn: Turn) -> bool:
        """Whether what is said is a copy of what was just played. A reply that it is said over no longer yields but to
        another voice: it would stop at each of its own words."""
        if not self.own_voice.copies():
            return False
        if turn is self._candidate:
            self._hears_itself = self._live
            self._floor.now(speaking=False, stir=Stir.CALM)
        return True

    def _hears_its_reply(self) -> bool:
        return self._live is not None and self._live is self._hears_itself

    def _promote(self, turn: Turn) -> None:
        """The candidate takes over: the live turn ends here, at this sample."""
        live, self._candidate, self._live = self._live, None, turn
        if live is not None:
            if live.heard_s() * 1000 < self._stage.settings.merge_ms and not live.acted:
                self._merge(live, turn)
            else:
                self._record(live)
                self._cancel(live, "barge-in")
        self._floor.undecided = False
        self._silence()
        self._commit(turn)

    def _silence(self) -> None:
        """Discard what is in the ring; the next reply sounds only when the user leaves it the floor."""
        self._floor.clear()
        self._stage.audible.cut(self._stage.now() + self._stage.speaker.latency_s)

    def _merge(self, live: Turn, turn: Turn) -> None:
        """Hardly anything of the reply was heard: the user had not finished, and `turn` goes on with what was said."""
        said = live.listening.said()
        turn.listening.before = said + turn.listening.before
        # One that was never told has no text that could be replaced; the one whose place it took may have.
        turn.replaces = live.number if live.told or live.replaces is None else live.replaces
        if said:
            self._pauses.was_one(said[-1].utterance.voiced_end)
        self._cancel(live, MERGED)

    def _give_way(self, turn: Turn, reason: str) -> None:
        """The candidate was nothing: the reply goes on from the sample where it froze."""
        self._candidate = None
        self._cancel(turn, reason)
        self._floor.now(undecided=False)

    def _cancel(self, turn: Turn, reason: str) -> None:
        if turn in self._working:
            self._working.remove(turn)
        turn.cancel(reason)
        if turn is self._hearing:  # the rest of what is being said is a turn of its own
            self._hear_no_more()
        if turn is self._live:
            self._live = None
        if turn is self._candidate:
            self._candidate, self._floor.undecided = None, False

    def _record(self, turn: Turn) -> None:
        """Write the history: what was said, and what of the reply was heard."""
        if turn.transcript is None:
            return
        self._history.append(Message("user", turn.transcript.text))
        if text := turn.heard().text:
            self._history.append(Message("assistant", text))

    # The turns themselves

    async def _run(self, turn: Turn) -> None:
        TURN.set(turn.number)
        try:
            await turn.run()
        finally:
            self._over(turn)

    def _over(self, turn: Turn) -> None:
        if turn.usage is not None:
            self.usage = turn.usage if self.usage is None else self.usage + turn.usage
        if turn is self._hearing:
            self._hear_no_more()
        if turn in self._working:  # it came to its own end
            self._working.remove(turn)
            self._record(turn)
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
