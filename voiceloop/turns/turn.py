"""A turn: what the user says, its transcript, and the attempts to answer it, behind a gate.

Doesn't decide which turn is live, nor when the user has finished: the conversation (`conversation.py`) does, and calls
`pause`, `resume`, `end`, `commit` and `cancel`.

The life of a turn, with a preemptive transcriber and handler; A and B are what the user says before and after a pause:

    time              ------------------------------------------------------------------------------------
    voice               AAAAAA            BBBBBB
    calls                         pause   resume      pause               end, commit
                                  |       |           |                   |
    transcribing                  [clip A x           [A+B]               |
    answer attempt 1              [.......x                               |
    answer attempt 2                                  [...][handler, chunk| reply plays]
    gate                closed                                            | open: transcript published

- Each pause starts preemptive work: transcription and an answer attempt, as if the user had finished.
- `resume` throws that work away (event `preemptive.wasted`), and a new attempt begins.
- `commit` opens the gate. Before it nothing of the turn is seen, heard or done.
- A turn ends as "done"; "empty", when there was no text; "cancelled", with a `CancelReason`; or "failed", with `error`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol, TypeVar

import trio

from voiceloop.errors import TooLate, VoiceloopError, contained, first
from voiceloop.plugins import TurnJournal, patience_s
from voiceloop.transcribe.merging import is_empty
from voiceloop.turns.answer import AnswerAttempt
from voiceloop.turns.context import TurnContext
from voiceloop.turns.preemptive import REST_PAUSES, Tally
from voiceloop.turns.transcribing import Transcribing
from voiceloop.types import CAPTURE_RATE_HZ, CancelReason, Heard, Message, Transcript, Usage, Utterance

_T = TypeVar("_T")
Outcome = Literal["done", "empty", "cancelled", "failed"]


class TurnOwner(Protocol):
    """The conversation, as its turns see it."""

    @property
    def history(self) -> Sequence[Message]:
        """The conversation so far, as the handler is given it."""

    def transcribed(self, turn: Turn, transcript: Transcript) -> bool:
        """Called with the turn's text before the turn acts on it; may cancel the turn. Returns False when the text
        can't be judged yet because the user may go on: the turn then asks again when the user has finished."""

    def untranscribed(self, turn: Turn) -> None:
        """Called when a pause will have no text, because its transcription failed."""

    def ended(self, turn: Turn) -> None:
        """Called when the turn has ended."""


@dataclass(slots=True, eq=False)
class Turn:
    """One turn: a cancel scope in which answer attempts run, one after the other, until one is not thrown away."""

    number: int
    context: TurnContext
    owner: TurnOwner
    follows: tuple[Turn, ...] = ()
    """The turns that must have ended before this one's handler begins."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    gate: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)
    transcript: Transcript | None = None
    """The text that the turn acts on, once it is known."""
    outcome: Outcome = "cancelled"
    reason: CancelReason | None = None
    """Why the turn was cancelled."""
    replaces: int | None = None
    """The number of the turn whose speech this one took over; of several in a row, the last whose transcript was
    published."""
    announced: bool = False
    """Whether the transcript was published."""
    error: str | None = None
    usage: Usage | None = None
    transcribing: Transcribing = field(init=False)
    journal: TurnJournal = field(init=False)
    _marks: dict[str, float] = field(default_factory=dict)
    _attempt: AnswerAttempt = field(init=False)
    _heard_at_cancel: Heard | None = None

    def __post_init__(self) -> None:
        context = self.context
        self.journal = context.journal.turn(self.number)
        self.transcribing = Transcribing(
            transcriber=context.transcriber,
            posts=context.posts,
            merge_max_s=context.settings.merge_max_s,
            owner=self,
        )
        self._attempt = self._new_attempt()

    def _new_attempt(self) -> AnswerAttempt:
        return AnswerAttempt(self.context, self.gate, self, self.journal)

    # Called by the conversation. All synchronous, so that the listener never waits for a turn.

    @property
    def complete(self) -> bool:
        """Whether the user has finished speaking in this turn."""
        return self.transcribing.complete.is_set()

    def pause(self, clip: Utterance, *, since: int) -> None:
        """The user may have finished: transcribe and answer `clip`, the speech so far, behind the gate.

        `since` is the sample at which the quiet began.
        """
        self.transcribing.pause(clip)
        self._marks["last_voiced"] = self.context.captured(since)
        self._marks["pause"] = self.context.now()

    def resume(self) -> None:
        """The user goes on: throw away the preemptive work of the pause."""
        abandoned, self._attempt = self._attempt, self._new_attempt()
        abandoned.scope.cancel("resumed")
        self.transcribing.resume()
        self._marks.clear()
        if abandoned.asked:
            publish_waste(self, self.context.preemptive.waste(abandoned.asked))

    def end(self, utterance: Utterance) -> None:
        """The utterance is complete. Unless it `continues`, the user has finished speaking in this turn."""
        self.journal.heard(utterance)
        self.transcribing.end(utterance)
        if not utterance.continues:
            self._marks["last_voiced"] = self.context.captured(utterance.voiced_end)
            self._marks["speech_end"] = self.context.now()

    def take_over(self, earlier: Turn) -> None:
        """Add the speech of `earlier` before this turn's own: the user had not finished when it was answered."""
        self.transcribing.earlier = earlier.transcribing.clips() + self.transcribing.earlier
        # A turn whose transcript was never published has nothing to be replaced; the turn that it replaced may have.
        self.replaces = earlier.number if earlier.announced or earlier.replaces is None else earlier.replaces

    def commit(self) -> None:
        """The turn is certain: open the gate."""
        self._marks.setdefault("committed", self.context.now())
        self.gate.set()

    def cancel(self, reason: CancelReason | None) -> None:
        """End the turn now. `heard` stays what it is at this moment."""
        self._heard_at_cancel, self.reason = self.heard(), reason
        self._marks["cancelled"] = self.context.now()
        self.scope.cancel(reason)

    @property
    def marks(self) -> dict[str, float]:
        """When each point of the turn was reached, in seconds by the clock of the context. Points of the answer are
        those of the attempt that was not thrown away."""
        return self._marks | self._attempt.marks

    def heard(self) -> Heard:
        """The part of the reply that has been played."""
        return self._heard_at_cancel or self._attempt.heard()

    def heard_s(self) -> float:
        """Seconds of the reply that have been played."""
        return self._attempt.heard_s()

    @property
    def acted(self) -> bool:
        """Whether the handler may have done something that can't be undone, besides speaking."""
        return self._attempt.acted

    async def run(self) -> None:
        """Run the turn from its first sample to its end. Errors of its parts are kept in `error`, never raised."""
        try:
            with self.scope:
                self.outcome = await contained(self._run)
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - a bug in a part costs this turn, which reports it
            self.outcome = "failed"
            self.error = _describe(first(group))
        finally:
            self._count_requests()
            self._close_journal()
            self.follows = ()  # else every turn would keep all turns before it alive
            self.ended.set()

    def _count_requests(self) -> None:
        """Count the requests of the last attempt as used or wasted."""
        asked, preemptive = self._attempt.asked, self.context.preemptive
        if asked and self.reason in {CancelReason.MERGED, CancelReason.JOINED}:
            preemptive.waste(asked, preemptive=False)
        elif asked:
            preemptive.use(asked)

    def _close_journal(self) -> None:
        """Keep the speech in the journal if it was not delivered and the user didn't call it off; else forget it."""
        if self.outcome in {"done", "empty"} or self.reason in {CancelReason.STOP_WORD, CancelReason.WITHDRAWN}:
            self.journal.over()
        else:
            self.journal.left(self.error or self.reason or "")

    async def _run(self) -> Outcome:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.transcribing.run, name=f"transcribing of turn {self.number}")
            outcome: Outcome | None = None
            while outcome is None:
                attempt = self._attempt
                with attempt.scope:
                    outcome = await self._delay_errors(partial(self._answer, attempt))
            nursery.cancel_scope.cancel()
        return outcome

    async def _delay_errors(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do preemptive work: report its error only if the user really had finished.

        An error waits until the speech is complete; if the user goes on instead, the attempt is cancelled meanwhile.
        """
        failures: list[BaseException] = []
        try:
            return await work()
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - raised below
            failures += group.exceptions
        await self.transcribing.complete.wait()
        raise BaseExceptionGroup("the answer attempt failed", failures)

    async def _answer(self, attempt: AnswerAttempt) -> Outcome:
        transcript = await self._accepted_transcript(attempt)
        if is_empty(transcript.text):
            await self.transcribing.complete.wait()
            return "empty"
        if not self.context.handler.preemptive:
            await self.gate.wait()
            self.journal.transcribed(transcript)
        for turn in self.follows:
            await turn.ended.wait()
        if not self.context.handler.preemptive:
            await self._check_age(transcript)
            await attempt.committed()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._announce, transcript, name=f"announcing the transcript of turn {self.number}")
            # Errors are delayed in here too, because the transcript is published even if the answer to it fails.
            await self._delay_errors(partial(attempt.answer, transcript, tuple(self.owner.history)))
        return "done"

    async def _check_age(self, transcript: Transcript) -> None:
        """Publish the transcript and raise TooLate if it is older than the handler accepts (its `late_s`)."""
        late_s, context = patience_s(self.context.handler), self.context
        if late_s is None:
            return
        age_s = context.now() - context.captured(transcript.utterance.voiced_end)
        if age_s > late_s:
            await self._announce(transcript)
            remedy = "'voiceloop transcribe --pending' transcribes it"
            raise TooLate(f"the text came {age_s:.0f} s after it was said, and is not typed", remedy=remedy)

    async def _accepted_transcript(self, attempt: AnswerAttempt) -> Transcript:
        """The turn's text, once the conversation has accepted it (`transcribed`)."""
        own = await self.transcribing.text()
        transcript = await self.transcribing.with_earlier(own)
        attempt.mark("text")
        await trio.lowlevel.checkpoint_if_cancelled()  # the user may have gone on at this very moment
        if not self.owner.transcribed(self, transcript):
            await self.transcribing.complete.wait()
            self.owner.transcribed(self, transcript)
        # `transcribed` may have cancelled the turn (the handler is then never called), or made it take over another's
        # speech (which must come before its own).
        await trio.lowlevel.checkpoint_if_cancelled()
        self.transcript = await self.transcribing.with_earlier(own)
        return self.transcript

    async def _announce(self, transcript: Transcript) -> None:
        """Publish the transcript once the gate is open."""
        await self.gate.wait()
        utterance, self.announced = transcript.utterance, True
        self.context.publish(
            "transcript",
            turn=self.number,
            text=transcript.text,
            start_s=utterance.start / utterance.rate_hz,
            end_s=utterance.voiced_end / utterance.rate_hz,
            confidence=transcript.confidence,
            replaces=self.replaces,
        )

    # Called by what it transcribes and answers with.

    async def saved(self) -> None:
        """Wait until the journal has saved the speech: nothing is posted before that."""
        await self.journal.safe()

    def posting(self, clip: Utterance) -> None:
        """Count a clip that is about to be posted."""
        self._attempt.mark("post")
        self._attempt.asking("transcribe", clip.samples / CAPTURE_RATE_HZ)

    def posted(self, transcript: Transcript) -> None:
        """Count what the transcription of a clip has cost."""
        if transcript.usage is not None:
            self._attempt.spent("transcribe", transcript.usage)

    def pause_failed(self) -> None:
        """A pause will have no text."""
        self.owner.untranscribed(self)

    def add_usage(self, usage: Usage) -> None:
        """Add what a request has used."""
        self.usage = usage if self.usage is None else self.usage + usage


def _describe(error: BaseException) -> str:
    """An error's message; with its type's name unless it is one of ours, whose messages are complete."""
    return str(error) if isinstance(error, VoiceloopError) else f"{type(error).__name__}: {error}"


def publish_waste(turn: Turn, lost: Tally) -> None:
    """Publish what the preemptive work of a pause has cost, when the user went on after the pause."""
    publish, preemptive = turn.context.publish, turn.context.preemptive
    share = round(preemptive.share, 3)
    costs = {"requests": lost.requests, "audio_s": round(lost.audio_s, 2), "cost_usd": lost.cost_usd}
    publish("preemptive.wasted", turn=turn.number, share=share, **costs)
    if preemptive.resting:
        what = f"{share:.0%} of the recent cost was wasted, more than preemptive.max_waste allows"
        publish("notice", text=f"Preemptive generation is off for the next {REST_PAUSES} pauses: {what}.")
