"""The conversation: performs what the arbiter decides, on turns, the loudspeaker and the history.

The listener tells it what the segmenter found (`on`). It gathers the evidence, asks the arbiter (`arbiter.py` has the
states and the rules), and starts, commits and cancels turns. It alone writes the history. All its methods are
synchronous: the listener never waits for a reply.

An utterance begins a turn. When the user has finished, the turn is committed: its gate opens, and its reply may sound
(see `turn.py`). How turns relate is set by the handler (`plugins.Turns`):

    replace     One turn is live. Speech over its reply holds the reply, and is a candidate beside the live turn.
    in_order    Each utterance is a turn. Transcriptions overlap; handlers run in the order of speaking.
    exclusive   As in_order. Of all that is said, only a stop word stops the turn at work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import trio

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.endpointing.messages import Message as PauseMessage
from voiceloop.capture.speech_events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.transcribe.merging import is_empty, is_only
from voiceloop.turns.arbiter import Action, Arbiter, Event, Evidence, State, Words, judge
from voiceloop.turns.context import TurnContext
from voiceloop.turns.ducking import Ducking
from voiceloop.turns.history import History
from voiceloop.turns.own_voice import OwnVoice
from voiceloop.turns.preemptive import Tally
from voiceloop.turns.running_turns import RunningTurns
from voiceloop.turns.turn import Turn
from voiceloop.turns.turn_events import publish_decision, publish_end, sound_earcon, warm
from voiceloop.turns.utterance import CurrentUtterance
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Message, Transcript, Usage, Utterance


@asynccontextmanager
async def open_conversation(
    context: TurnContext, tell: Callable[[PauseMessage], None] = lambda _: None, history: Iterable[Message] = ()
) -> AsyncIterator[Conversation]:
    """A conversation with a nursery for its turns; leaving it waits for the last turn to end.

    `tell` is called with the text of the speech before a pause while the pause lasts (`Segmenter.tell`).
    `history`: what was said before, oldest first.
    """
    async with trio.open_nursery() as nursery:
        yield Conversation(context, nursery, tell, history)


class Conversation:
    """Performs the turn-taking that the arbiter decides. `on` and `early_voice` tell it what the listener found."""

    def __init__(
        self,
        context: TurnContext,
        nursery: trio.Nursery,
        tell: Callable[[PauseMessage], None],
        history: Iterable[Message],
    ) -> None:
        self._context = context
        self._nursery = nursery
        self._running = RunningTurns(context, nursery, self)
        self._history = History(context.settings.history_turns, history)
        self._current = CurrentUtterance(context, tell)
        self._ducking = Ducking(context.speaker, context.publish, context.now)
        self._arbiter = Arbiter(replaces=context.handler.turns == "replace")
        self._live: Turn | None = None
        self._candidate: Turn | None = None
        self._early_voice = EarlyVoice.NONE
        self._compare_at = 0
        """The sample from which on speech over the reply is weighed again (`_weigh_voice`)."""
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
            case SpeechEnded():
                publish_decision(self._context.publish, event.decision, ended=True)
                self._on_utterance_ended(event.utterance)
            case SpeechDropped():
                self._on_dropped()

    def early_voice(self, early_voice: EarlyVoice) -> None:
        """Take signs of early voice, or that there are none any more."""
        self._early_voice = early_voice
        self._duck()

    def stop(self, reason: CancelReason, *, up_to: int | None = None) -> None:
        """Cancel every turn, or all up to a number: the reply ends at once, and nothing is done with what was said."""
        for turn in self._running.at_work:
            if up_to is None or turn.number <= up_to:
                self._cancel(turn, reason)
        if self._live is None:
            self._arbiter.stopped()
        self._silence()
        self._duck()

    # What the user does

    def _on_started(self, event: SpeechStarted) -> None:
        self._current.pauses.start(event.onset)
        self._compare_at = 0
        self.own_voice.begin(event.pcm)
        self._context.publish("speech.started", at_s=event.onset / CAPTURE_RATE_HZ)
        self._nursery.start_soon(warm, self._context, event.onset, name="warming connections")
        self._begin(event.pcm)
        self._weigh_voice(event.noticed)

    def _begin(self, pcm: bytes) -> None:
        """Speech begins: with a turn of its own, unless it is the next piece of one that was cut for length."""
        self._feed(Event.STARTED)
        turn = self._candidate or self._live
        if turn is None:
            self._feed(Event.REFUSED)
        self._current.begin(turn, pcm)

    def _on_audio(self, event: SpeechAudio) -> None:
        self.own_voice.feed(event.pcm)  # also if no turn takes it: a new one may take the whole utterance at its end
        if self._current.turn is not None:
            self._current.turn.transcribing.feed(event.pcm)
            self._weigh_voice(event.voiced_end)

    def _on_paused(self, event: SpeechPaused) -> None:
        self._context.publish("speech.paused", at_s=event.since / CAPTURE_RATE_HZ)
        if self._current.turn is not None:
            self._current.pause(event, is_echo=self._stopped(event.since) or self._copies())

    def _on_resumed(self, event: SpeechResumed) -> None:
        self._context.publish("speech.resumed", at_s=event.at / CAPTURE_RATE_HZ)
        publish_decision(self._context.publish, event.decision, ended=False)
        self._current.resume(event)

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
            self._begin(utterance.pcm)
        if self._current.turn is None:
            self._running.refuse(utterance)
        else:
            self._current.turn.end(utterance)
        if not utterance.continues:
            self._on_user_finished(utterance.voiced_end)

    def _on_user_finished(self, voiced_end: int) -> None:
        """The user has finished speaking."""
        stopped = self._stopped(voiced_end)
        turn = self._current.finish()
        event = Event.ENDED
        if turn is not None:
            joined = not turn.transcribing.is_one_utterance
            evidence = Evidence(0.0, ended=True, copies=self._copies, stopped=stopped, joined=joined)
            event = self._judge(evidence) or event
        self._feed(event)

    def _on_dropped(self) -> None:
        """The utterance was a noise, or doesn't count because the loop is asleep."""
        turn = self._current.finish()
        self._context.publish("speech.dropped")
        if turn is not None:
            turn.transcribing.drop()
        self._feed(Event.ENDED)

    # What decides whether it interrupts

    def _weigh_voice(self, voiced_end: int) -> None:
        """Ask whether the candidate interrupts by its voice alone. That takes time, so it is asked again only after
        half of `barge_in_ms` more."""
        if self._arbiter.state is not State.OVERLAP or voiced_end < self._compare_at:
            return
        barge_in_ms = self._context.settings.barge_in_ms
        voice_ms = self._current.pauses.voice_ms(until=voiced_end)
        if voice_ms >= barge_in_ms:
            self._compare_at = voiced_end + barge_in_ms * CAPTURE_RATE_HZ // 2000
        if (event := self._judge(Evidence(voice_ms, ended=False, copies=self._copies))) is not None:
            self._feed(event)

    def transcribed(self, turn: Turn, transcript: Transcript) -> bool:
        """Judge a turn's text (`TurnOwner`). Returns False if that must wait until the user has finished."""
        self._current.transcribed(turn, transcript)
        words = self._words(transcript)
        if turn is self._candidate:
            event = self._judge(Evidence(0.0, ended=turn.complete, copies=self._copies, words=words))
            if event is None:
                return False
            self._feed(event)
        elif words is Words.REPEATED:
            if not turn.complete:
                return False
            if turn is self._live:
                self._feed(Event.LIVE_ECHO)
            else:
                self._drop(turn)
        elif self._context.handler.turns == "exclusive" and is_only(transcript.text, self._context.settings.stop_words):
            if not turn.complete:
                return False
            self.stop(CancelReason.STOP_WORD, up_to=turn.number)
        return True

    def _words(self, transcript: Transcript) -> Words:
        """What the text of a turn is to the reply over which it was said."""
        if self.own_voice.repeats(transcript):
            return Words.REPEATED
        if is_empty(transcript.text) or is_only(transcript.text, self._context.settings.backchannels):
            return Words.NONE
        return Words.OTHER

    def _copies(self) -> bool:
        copies = self.own_voice.copies()
        if copies:
            self._arbiter.copied()
            self._duck()
        return copies

    def _stopped(self, voiced_end: int) -> bool:
        """Whether the speech over the reply was short, and ended when the reply was held."""
        if self._candidate is None or self._candidate is not self._current.turn:
            return False
        silent_at = self._ducking.held_at + self._context.speaker.latency_s
        after_hold_s = self._context.captured(voiced_end) - silent_at
        voice_ms = self._current.pauses.voice_ms(until=voiced_end)
        return self.own_voice.stopped(after_hold_s=after_hold_s, voice_ms=voice_ms)

    def _judge(self, evidence: Evidence) -> Event | None:
        settings = self._context.settings
        event, live = judge(evidence, barge_in_ms=settings.barge_in_ms), self._live
        if event is Event.BARGE_IN and live is not None:
            return Event.CONTINUES if live.heard_s() * 1000 < settings.merge_ms and not live.acted else event
        return event

    # What follows from it

    def _feed(self, event: Event) -> None:
        for action in self._arbiter.feed(event):
            self._perform(action)
        self._duck()

    def _perform(self, action: Action) -> None:  # noqa: PLR0912 - a branch for each action
        match action:
            case Action.OPEN:
                self._live = self._running.open()
            case Action.OPEN_CANDIDATE:
                self._candidate = self._running.open()
            case Action.JOIN:
                self._join()
            case Action.COMMIT:
                _the(self._live).commit()
                self._context.speaker.ready()  # it may have been closed while the user spoke
            case Action.RELEASE:
                self._live = None
            case Action.LIMIT_HOLD:
                candidate = _the(self._candidate)
                self._nursery.start_soon(self._limit_hold, candidate, name=f"limiting the hold by {candidate.number}")
            case Action.INTERRUPT:
                self._history.record(_the(self._live))
                self._cancel(_the(self._live), CancelReason.BARGE_IN)
            case Action.MERGE:
                self._merge(_the(self._live), into=_the(self._candidate))
            case Action.SUCCEED:
                self._live, self._candidate = self._candidate, None
                self._silence()
            case Action.GIVE_WAY:
                self._cancel(_the(self._candidate), CancelReason.BACKCHANNEL)
            case Action.DROP_CANDIDATE:
                self._drop(_the(self._candidate))
            case Action.DROP_LIVE:
                self._drop(_the(self._live))
            case Action.SILENCE:
                self._silence()

    def _join(self) -> None:
        """Put a new candidate in the place of the one that has no text yet: the user goes on."""
        before = _the(self._candidate)
        clips = before.transcribing.clips()
        self._cancel(before, CancelReason.JOINED)
        self._candidate = self._running.open()
        _the(self._candidate).transcribing.earlier = clips

    def _merge(self, live: Turn, *, into: Turn) -> None:
        """Move the speech of `live` to `into`: hardly anything of the reply was heard, so the user had not finished."""
        if clips := live.transcribing.clips():
            self._current.pauses.add_missed(clips[-1].utterance.voiced_end)
        into.take_over(live)
        self._cancel(live, CancelReason.MERGED)

    def _drop(self, turn: Turn) -> None:
        """Cancel a turn in which nobody spoke: the microphone heard the loop's own voice."""
        self.own_voice.drop()
        self._context.publish("echo.dropped", turn=turn.number)
        self._cancel(turn, CancelReason.ECHO)

    async def _limit_hold(self, turn: Turn) -> None:
        """Let the reply go on if the candidate has no text after `hold_max_ms`, counted from the end of its utterance:
        a slow transcription of a short sound must not keep the reply silent."""
        with trio.move_on_after(self._context.settings.hold_max_ms / 1000):
            await turn.ended.wait()
        if turn is self._candidate:
            self._feed(Event.HOLD_OVER)

    def _silence(self) -> None:
        """Discard what waits in the ring. The next reply sounds only when the user is not speaking."""
        self._ducking.discard_reply()
        self._context.audible.cut(self._context.now() + self._context.speaker.latency_s)

    def _duck(self) -> None:
        """Lower, hold or resume the reply. Where the microphone hears it, voice says nothing about the user."""
        early_voice = EarlyVoice.NONE if self._arbiter.hears_reply else self._early_voice
        self._ducking.update(holding=self._arbiter.holds, early_voice=early_voice)

    def _cancel(self, turn: Turn, reason: CancelReason) -> None:
        self._running.remove(turn)
        turn.cancel(reason)
        self._current.release(turn)  # the rest of the current utterance becomes a turn of its own
        if turn is self._live:
            self._live = None
        if turn is self._candidate:
            self._candidate = None

    def untranscribed(self, turn: Turn) -> None:
        """The speech before a pause will have no text (`TurnOwner`)."""
        self._current.untranscribed(turn)

    def ended(self, turn: Turn) -> None:
        """A turn has ended, by itself or because it was cancelled (`TurnOwner`)."""
        self._current.release(turn)
        if self._running.remove(turn):  # it ended by itself
            self._history.record(turn)
            if turn.outcome == "done":
                self.own_voice.replied()
            if turn is self._candidate:
                self._candidate = None
                self._feed(Event.CANDIDATE_OVER)
            elif turn is self._live:
                self._live = None
                self._feed(Event.LIVE_FAILED if turn.outcome == "failed" else Event.LIVE_OVER)
        publish_end(turn)
        if turn.error is not None and self._context.settings.earcon and self._live is None:
            self._nursery.start_soon(sound_earcon, self._context.speaker, name="earcon")


def _the(turn: Turn | None) -> Turn:
    """The turn in a role that the arbiter's state implies."""
    assert turn is not None
    return turn
