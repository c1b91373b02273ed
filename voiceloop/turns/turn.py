"""One turn: what the user says, and the attempts to answer it, behind a gate.

Doesn't decide which turn is live, nor when the user has finished: `conversation.py` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

import trio

from voiceloop.errors import TooLate, VoiceloopError, first
from voiceloop.plugins import TurnJournal, patience_s
from voiceloop.transcribe.merging import is_empty
from voiceloop.turns.answer import AnswerAttempt
from voiceloop.turns.context import TurnContext
from voiceloop.turns.preemptive import Tally
from voiceloop.turns.transcribing import Transcribing
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Heard, Message, Transcript, Usage, Utterance

_T = TypeVar("_T")
Outcome = Literal["done", "empty", "cancelled", "failed"]


@dataclass(slots=True, eq=False)
class Turn:
    """One turn: a cancel scope, and in it one attempt after the other until one is not thrown away.

    `transcribed` is called with its text before anything is done with it, and may cancel the turn; False: it can't say
    yet what to make of that text while the user may go on. `untranscribed` is called when a pause will have no text.
    """

    number: int
    context: TurnContext
    history: Callable[[], Sequence[Message]]
    transcribed: Callable[[Turn, Transcript], bool]
    untranscribed: Callable[[Turn], None]
    follows: tuple[Turn, ...] = ()
    """The turns that must have ended before this one's handler begins."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    gate: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)
    transcript: Transcript | None = None
    outcome: Outcome = "cancelled"
    reason: CancelReason | None = None
    """Why it was cancelled."""
    replaces: int | None = None
    """The turn whose speech it took over; of several in a row, the last one whose transcript was told."""
    told: bool = False
    """Its transcript was published."""
    error: str | None = None
    usage: Usage | None = None
    transcribing: Transcribing = field(init=False)
    kept: TurnJournal = field(init=False)
    _marks: dict[str, float] = field(default_factory=dict)
    _attempt: AnswerAttempt = field(init=False)
    _heard: Heard | None = None

    def __post_init__(self) -> None:
        context = self.context
        self.kept = kept = context.journal.turn(self.number)
        self.transcribing = Transcribing(
            context.transcriber,
            context.posts,
            context.settings.merge_max_s,
            self._posted,
            self._transcript_came,
            lambda: self.untranscribed(self),
            kept.safe,
        )
        self._attempt = AnswerAttempt(context, self.gate, self._spend, kept)

    # What the conversation tells it; all synchronous, so that hearing never waits for a turn.

    @property
    def over(self) -> bool:
        """Whether it has ended or was told to: it hears nothing more."""
        return self.ended.is_set() or self.scope.cancel_called

    @property
    def complete(self) -> bool:
        """Whether all of what the user says in it was said."""
        return self.transcribing.complete.is_set()

    def pause(self, clip: Utterance, *, since: int) -> None:
        """The user may have finished: answer `clip`, all that was said so far, behind the gate."""
        self.transcribing.pause(clip)
        self._marks["last_voiced"] = self.context.captured(since)
        self._marks["pause"] = self.context.now()

    def resume(self) -> None:
        """The user goes on: what was made of the pause is thrown away."""
        lost, self._attempt = self._attempt, AnswerAttempt(self.context, self.gate, self._spend, self.kept)
        lost.scope.cancel("resumed")
        self.transcribing.resume()
        self._marks.clear()
        if lost.asked:
            tell_waste(self, self.context.preemptive.waste(lost.asked))

    def end(self, utterance: Utterance) -> None:
        """The utterance is complete; without `continues` so is what the user says in this turn."""
        self.kept.heard(utterance)
        self.transcribing.end(utterance)
        if not utterance.continues:
            self._marks["last_voiced"] = self.context.captured(utterance.voiced_end)
            self._marks["speech_end"] = self.context.now()

    def take_over(self, earlier: Turn) -> None:
        """`earlier` was not all that the user had to say: what was said in it becomes part of this one."""
        self.transcribing.before = earlier.transcribing.said() + self.transcribing.before
        # One that was never told has no text that could be replaced; the one whose place it took may have.
        self.replaces = earlier.number if earlier.told or earlier.replaces is None else earlier.replaces

    def commit(self) -> None:
        """It is certain: open the gate."""
        self._marks.setdefault("committed", self.context.now())
        self.gate.set()

    def cancel(self, reason: CancelReason | None) -> None:
        """End it here: what was heard until now is what was heard."""
        self._heard, self.reason = self.heard(), reason
        self._marks["cancelled"] = self.context.now()
        self.scope.cancel(reason)

    @property
    def marks(self) -> dict[str, float]:
        """When each point of the turn was reached, by the attempt that was not thrown away."""
        return self._marks | self._attempt.marks

    def heard(self) -> Heard:
        """What of the reply has been played."""
        return self._heard or self._attempt.heard()

    def heard_s(self) -> float:
        """Seconds of the reply that have been played."""
        return self._attempt.heard_s()

    @property
    def acted(self) -> bool:
        """Whether its handler may have done something that can't be undone, beside speaking."""
        return self._attempt.acted

    async def run(self) -> None:
        """Everything from the first sample to the last. A turn fails alone: no error of its parts leaves it."""
        try:
            with self.scope:
                self.outcome = await self._run()
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - a bug in a part costs the turn, which says it
            self.outcome = "failed"
            self.error = _told(first(group))
        finally:
            self._count()
            self._keep()
            self.follows = ()  # else every turn would keep all turns before it alive
            self.ended.set()

    def _count(self) -> None:
        asked, preemptive = self._attempt.asked, self.context.preemptive
        if asked and self.reason in {CancelReason.MERGED, CancelReason.JOINED}:
            preemptive.waste(asked, ahead=False)
        elif asked:
            preemptive.use(asked)

    def _keep(self) -> None:
        """What was not delivered, though the user didn't call it off, is kept."""
        if self.outcome in {"done", "empty"} or self.reason in {CancelReason.STOP_WORD, CancelReason.WITHDRAWN}:
            self.kept.over()
        else:
            self.kept.left(self.error or self.reason or "")

    async def _run(self) -> Outcome:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.transcribing.run)
            outcome: Outcome | None = None
            while outcome is None:
                attempt = self._attempt
                with attempt.scope:
                    outcome = await self._certainly(partial(self._answer, attempt))
            nursery.cancel_scope.cancel()
        return outcome

    async def _certainly(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """What fails in a pause fails only if the pause was the end."""
        failures: list[BaseException] = []
        try:
            return await attempt()
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - raised below
            failures += group.exceptions
        await self.transcribing.complete.wait()
        raise BaseExceptionGroup("the attempt failed", failures)

    async def _answer(self, attempt: AnswerAttempt) -> Outcome:
        transcript = await self._understood(attempt)
        if is_empty(transcript.text):
            await self.transcribing.complete.wait()
            return "empty"
        if not self.context.handler.preemptive:
            await self.gate.wait()
            self.kept.transcribed(transcript)
        for turn in self.follows:
            await turn.ended.wait()
        if not self.context.handler.preemptive:
            await self._in_time(transcript)
            await attempt.committed()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._announce, transcript)
            # In here, because what was said is told even if the answer to it fails.
            await self._certainly(partial(attempt.answer, transcript, tuple(self.history())))
        return "done"

    async def _in_time(self, transcript: Transcript) -> None:
        """Show, and raise TooLate for, what the handler doesn't take so late."""
        late_s, context = patience_s(self.context.handler), self.context
        if late_s is None:
            return
        age_s = context.now() - context.captured(transcript.utterance.voiced_end)
        if age_s > late_s:
            await self._announce(transcript)
            remedy = "'voiceloop transcribe --pending' writes it down"
            raise TooLate(f"the text came {age_s:.0f} s after it was said, and is not typed", remedy=remedy)

    async def _understood(self, attempt: AnswerAttempt) -> Transcript:
        """What was said, once the conversation knows what to make of it."""
        own = await self.transcribing.text()
        transcript = await self.transcribing.with_earlier(own)
        attempt.mark("text")
        await trio.lowlevel.checkpoint_if_cancelled()  # the user may have gone on in this very moment
        if not self.transcribed(self, transcript):
            await self.transcribing.complete.wait()
            self.transcribed(self, transcript)
        await trio.lowlevel.checkpoint_if_cancelled()  # it may have been for nothing: then no handler hears of it
        self.transcript = await self.transcribing.with_earlier(own)  # it may just have taken a turn's place
        return self.transcript

    async def _announce(self, transcript: Transcript) -> None:
        await self.gate.wait()
        utterance, self.told = transcript.utterance, True
        self.context.publish(
            "transcript",
            turn=self.number,
            text=transcript.text,
            start_s=utterance.start / utterance.rate_hz,
            end_s=utterance.voiced_end / utterance.rate_hz,
            confidence=transcript.confidence,
            replaces=self.replaces,
        )

    def _posted(self, clip: Utterance) -> None:
        self._attempt.mark("post")
        self._attempt.asking("transcribe", clip.samples / CAPTURE_RATE_HZ)

    def _transcript_came(self, transcript: Transcript) -> None:
        if transcript.usage is not None:
            self._attempt.spent("transcribe", transcript.usage)

    def _spend(self, usage: Usage) -> None:
        self.usage = usage if self.usage is None else self.usage + usage


def _told(error: BaseException) -> str:
    """What went wrong, in its own words; the type's name too where the words aren't ours."""
    return str(error) if isinstance(error, VoiceloopError) else f"{type(error).__name__}: {error}"


def tell_waste(turn: Turn, lost: Tally) -> None:
    """Publish what a pause that was none has cost."""
    publish, preemptive = turn.context.publish, turn.context.preemptive
    share = round(preemptive.share, 3)
    costs = {"requests": lost.requests, "audio_s": round(lost.audio_s, 2), "cost_usd": lost.cost_usd}
    publish("preemptive.wasted", turn=turn.number, share=share, **costs)
    if preemptive.resting:
        what = f"{share:.0%} of what was sent of late was for nothing (preemptive.max_waste)"
        publish("notice", text=f"Not working ahead for the next pauses: {what}.")
