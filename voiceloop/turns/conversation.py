"""The conversation: decides which turn is live, and what becomes of the reply when the user speaks over it.

The listener tells it what the segmenter found (`on`). It answers by starting, holding, committing and cancelling turns,
and it alone writes the history. All its methods are synchronous: the listener never waits for a reply.

An utterance begins a turn. When the user has finished, the turn is committed: its gate opens, and its reply may sound
(see `turn.py`). How turns relate is set by the handler (`plugins.Turns`):

    replace     One turn is live. Speech over its reply holds the reply, and is a candidate beside the live turn.
    in_order    Each utterance is a turn. Transcriptions overlap; handlers run in the order of speaking.
    exclusive   As in_order. Of all that is said, only a stop word stops the turn at work.

The states of a conversation with `replace`: idle (no turn is live), live (one turn), and overlap (a live turn and a
candidate). From overlap the candidate either takes over (`_promote`) or is dropped (`_give_way`).

A barge-in: `barge_in_ms` of voice, or a text that is more than a backchannel.

    time     ------------------------------------------------------------------>
    voice    #####                     ################
    turn 1   live         [reply ======|held      x cancelled: BARGE_IN
    turn 2                             |candidate |live         [reply ======
                                       ^ onset    ^ barge_in_ms of voice, or its text

A backchannel, a noise, or the loop's own voice: the reply goes on from the sample where it was held.

    voice    #####                     mhm
    turn 1   live         [reply ======|held          |======]
    turn 2                             |candidate     x cancelled: BACKCHANNEL
                                       ^ onset        ^ its text, or after hold_max_ms without one
                                                        (the reply goes on, and the candidate waits for its text)

A merge: the user went on before `merge_ms` of the reply were heard, so they had not finished. As a barge-in, but turn 1
is cancelled as MERGED, and turn 2 takes over its speech: one transcript has both. Not if the handler of turn 1 has been
told that the turn was certain (`Turn.acted`).

A join: a second utterance begins while the candidate still waits for its text. The candidate is cancelled as JOINED,
and the new candidate takes over its speech.
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
from voiceloop.turns.turn_events import publish_end, sound_earcon, warm
from voiceloop.turns.utterance import CurrentUtterance
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Message, Transcript, Usage, Utterance


@asynccontextmanager
async def open_conversation(context: TurnContext, endpointer: Endpointer | None = None) -> AsyncIterator[Conversation]:
    """A conversation with a nursery for its turns; leaving it waits for the last turn to end.

    `endpointer` is told the text of the speech before a pause while the pause lasts.
    """
    async with trio.open_nursery() as nursery:
        yield Conversation(context, nursery, endpointer or Endpointer())


class Conversation:
    """Performs the turn-taking that the module describes. `on` and `early_voice` tell it what the listener found."""

    def __init__(self, context: TurnContext, nursery: trio.Nursery, endpointer: Endpointer) -> None:
        self._context = context
        self._nursery = nursery
        self._running = RunningTurns(context, nursery, self._on_turn_ended)
        self._history = History(context.settings.history_turns)
        self._current = CurrentUtterance(context, endpointer)
        self._ducking = Ducking(context.speaker, context.publish)
        self._replaces = context.handler.turns == "replace"
        self._live: Turn | None = None
        self._candidate: Turn | None = None
        self._compare_at = 0
        """The sample from which on speech over the reply is compared with the reply again (`_check_barge_in`)."""
        self.own_voice = OwnVoice(context)

    @property
    def history(self) -> tuple[Message, ...]:
        """What the user said and what was heard of the replies, oldest first."""
        return self._history.messages()

    @property
    def usage(self) -> Usage | None:
        """The usage of all turns that have ended."""
        return self._running.usage

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking, and a turn takes what they say."""
        return self._current.turn is not None

    @property
    def working(self) -> int:
        """How many turns are at work on complete utterances."""
        return len(self._running.at_work) - (1 if self.speaking else 0)

    @property
    def wasted(self) -> Tally:
        """The requests whose results were thrown away because the user went on."""
        return self._context.preemptive.wasted

    def on(self, event: SpeechEvent) -> None:
        """Take what the segmenter found."""
        match event:
            case SpeechStarted():
                self._on_started(event)
            case SpeechAudio():
                self._on_audio(event)
            case SpeechPaused():
                self._on_paused(event)
            case SpeechResumed():
                self._on_resumed(event)
            case SpeechEnded(utterance):
                self._on_utterance_ended(utterance)
            case SpeechDropped():
                self._on_dropped()

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Take signs of early voice, or that there are none any more."""
        if not self.own_voice.is_known_in(self._live):
            self._ducking.update(early_voice=early_voice)

    def stop(self, reason: CancelReason, *, up_to: int | None = None) -> None:
        """Cancel every turn, or all up to a number: the reply ends at once, and nothing is done with what was said."""
        for turn in self._running.at_work:
            if up_to is None or turn.number <= up_to:
                self._cancel(turn, reason)
        self._silence()

    # What the user does

    def _on_started(self, event: SpeechStarted) -> None:
        self._current.pauses.start(event.onset)
        self._compare_at = 0
        self.own_voice.begin(event.pcm)
        self._context.publish("speech.started", at_s=event.onset / CAPTURE_RATE_HZ)
        self._nursery.start_soon(warm, self._context, event.onset, name="warming connections")
        self._ducking.update(speaking=not self.own_voice.is_known_in(self._live))
        self._current.begin(self._current.turn or self._open_turn(), event.pcm)
        self._check_barge_in(event.noticed)

    def _open_turn(self) -> Turn | None:
        turn = self._running.open(
            history=self._history.messages,
            transcribed=self._on_transcribed,
            untranscribed=self._current.untranscribed,
        )
        if turn is not None and self._replaces:
            self._enter(turn)
        return turn

    def _enter(self, turn: Turn) -> None:
        """Make `turn` live, or, if another turn is live, the candidate beside it."""
        if self._live is None:
            self._live = turn
            return
        if self._candidate is not None:  # a join: the candidate is still undecided, and the user goes on
            turn.transcribing.earlier = self._candidate.transcribing.clips()
            self._cancel(self._candidate, CancelReason.JOINED)
        self._candidate = turn

    def _on_audio(self, event: SpeechAudio) -> None:
        if self._current.turn is not None:
            self._current.turn.transcribing.feed(event.pcm)
            self.own_voice.feed(event.pcm)
            self._check_barge_in(event.voiced_end)

    def _on_paused(self, event: SpeechPaused) -> None:
        self._context.publish("speech.paused", at_s=event.since / CAPTURE_RATE_HZ)
        if self._current.turn is None:
            return
        if self.own_voice.copies():
            self._note_copy(self._current.turn)
        else:
            self._current.pause(event)

    def _on_resumed(self, event: SpeechResumed) -> None:
        self._context.publish("speech.resumed", at_s=event.at / CAPTURE_RATE_HZ)
        self._current.resume(event)

    def _check_barge_in(self, voiced_end: int) -> None:
        """Promote the candidate once it has `barge_in_ms` of voice, whatever the words, unless it is the reply's echo.

        The comparison with the reply takes time, so it is repeated only after half of `barge_in_ms` more.
        """
        turn, barge_in_ms = self._current.turn, self._context.settings.barge_in_ms
        if turn is None or turn is not self._candidate:
            return
        if voiced_end < self._compare_at or not self._current.pauses.voiced_for(barge_in_ms, until=voiced_end):
            return
        self._compare_at = voiced_end + barge_in_ms * CAPTURE_RATE_HZ // 2000
        if self.own_voice.copies():
            self._note_copy(turn)
        else:
            self._promote(turn)

    def _on_utterance_ended(self, utterance: Utterance) -> None:
        counts = self._current.counts(utterance)
        self._current.ended(utterance)
        if not counts:
            self._on_dropped()
            return
        self._current.pauses.end()
        self._context.publish(
            "speech.ended", start_s=utterance.start / CAPTURE_RATE_HZ, end_s=utterance.voiced_end / CAPTURE_RATE_HZ
        )
        if self._current.turn is None:  # its turn has failed meanwhile: a new one takes the utterance, so it isn't lost
            self._current.begin(self._open_turn(), utterance.pcm)
        if self._current.turn is None:
            self._running.refuse(utterance)
        else:
            self._current.turn.end(utterance)
        if not utterance.continues:
            self._on_user_finished()

    def _on_user_finished(self) -> None:
        """The user has finished speaking."""
        turn = self._current.finish()
        if turn is not None:
            copy = self.own_voice.copies()
            if copy:
                self._note_copy(turn)
            # `earlier` holds speech of the user. With it the turn is more than an echo, and must be answered.
            if copy and not turn.transcribing.earlier:
                self._drop_own_voice(turn)
            else:
                self._commit(turn)
        self._ducking.update(speaking=False)

    def _on_dropped(self) -> None:
        """The utterance was a noise, or doesn't count because the loop is asleep."""
        turn = self._current.finish()
        self._context.publish("speech.dropped")
        if turn is not None:
            turn.transcribing.drop()
            self._commit(turn)
        self._ducking.update(speaking=False)

    # What follows from it

    def _commit(self, turn: Turn) -> None:
        """Open the turn's gate, unless the user is still speaking or the turn is the candidate."""
        if turn is self._current.turn:
            return
        if turn is not self._candidate:
            turn.commit()
        else:
            self._ducking.update(awaiting_text=True)
            self._nursery.start_soon(self._limit_hold, turn, name=f"limiting the hold by turn {turn.number}")

    async def _limit_hold(self, turn: Turn) -> None:
        """Let the reply go on if the candidate has no text after `hold_max_ms`, counted from here, the end of its
        utterance: a slow transcription of a short sound must not keep the reply silent."""
        with trio.move_on_after(self._context.settings.hold_max_ms / 1000):
            await turn.ended.wait()
        if turn is self._candidate:
            self._ducking.update(awaiting_text=False)

    def _on_transcribed(self, turn: Turn, transcript: Transcript) -> bool:
        """Judge a turn's text (`Turn.transcribed`). Returns False if that must wait until the user has finished."""
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
        """Cancel a turn in which nobody spoke: the microphone heard the loop's own voice."""
        self.own_voice.dropped += 1
        self._context.publish("echo.dropped", turn=turn.number)
        if turn is self._candidate:
            self._give_way(turn, CancelReason.ECHO)
        else:
            self._cancel(turn, CancelReason.ECHO)
            if self._candidate is not None:
                self._promote(self._candidate)

    def _note_copy(self, turn: Turn) -> None:
        """The current utterance, of this turn, is a copy of what was just played.

        If it is the candidate's, the microphone is known to hear the live reply. From then on voice alone neither ducks
        nor holds that reply: otherwise its own words would stop it.
        """
        if turn is self._candidate:
            self.own_voice.known_in = self._live
            self._ducking.update(speaking=False, early_voice=EarlyVoice.NONE)

    def _promote(self, turn: Turn) -> None:
        """Make the candidate live. The turn that was live ends here, at this sample: merged or interrupted."""
        live, self._candidate, self._live = self._live, None, turn
        if live is not None:
            if live.heard_s() * 1000 < self._context.settings.merge_ms and not live.acted:
                self._merge(live, into=turn)
            else:
                self._history.record(live)
                self._cancel(live, CancelReason.BARGE_IN)
        self._ducking.awaiting_text = False
        self._silence()
        self._commit(turn)

    def _silence(self) -> None:
        """Discard what waits in the ring. The next reply sounds only when the user is not speaking."""
        self._ducking.discard_reply()
        self._context.audible.cut(self._context.now() + self._context.speaker.latency_s)

    def _merge(self, live: Turn, *, into: Turn) -> None:
        """Move the speech of `live` to `into`: hardly anything of the reply was heard, so the user had not finished."""
        if clips := live.transcribing.clips():
            self._current.pauses.add_missed(clips[-1].utterance.voiced_end)
        into.take_over(live)
        self._cancel(live, CancelReason.MERGED)

    def _give_way(self, turn: Turn, reason: CancelReason | None) -> None:
        """Drop the candidate: the reply goes on from the sample where it was held."""
        self._candidate = None
        self._cancel(turn, reason)
        self._ducking.update(awaiting_text=False)

    def _cancel(self, turn: Turn, reason: CancelReason | None) -> None:
        self._running.remove(turn)
        turn.cancel(reason)
        self._current.release(turn)  # the rest of the current utterance becomes a turn of its own
        if turn is self._live:
            self._live = None
        if turn is self._candidate:
            self._candidate, self._ducking.awaiting_text = None, False

    def _on_turn_ended(self, turn: Turn) -> None:
        """A turn has ended, by itself or because it was cancelled."""
        self._current.release(turn)
        if self._running.remove(turn):  # it ended by itself
            self._history.record(turn)
            self._succeed(turn)
        publish_end(turn)
        if turn.error is not None and self._context.settings.earcon and self._live is None:
            self._nursery.start_soon(sound_earcon, self._context.speaker, name="earcon")

    def _succeed(self, turn: Turn) -> None:
        """Decide what follows a turn that has ended by itself: the reply goes on if it was the candidate; the candidate
        takes over if it was live."""
        if turn is self._candidate:
            self._give_way(turn, turn.reason)
        elif turn is self._live:
            self._live = None
            if turn.outcome == "failed":  # the rest of its reply in the ring belongs to no turn any more
                self._silence()
            if self._candidate is not None:
                self._promote(self._candidate)
