"""One turn: transcribe → handle → speak, behind a gate.

Doesn't decide which turn is live: `conversation.py` does, by `gate` and `scope`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import trio

from voiceloop.config.tables import Conversation as Settings
from voiceloop.errors import HandlerError, VoiceloopError, first
from voiceloop.events import Publish
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Handler, Synthesizer, Transcriber, Transcription
from voiceloop.said import Said, is_empty, join, merge
from voiceloop.speak.delivery import Delivery
from voiceloop.types import Heard, Message, Speech, Transcript, Usage, Utterance

Outcome = Literal["done", "empty", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Stage:
    """What every turn works with."""

    transcriber: Transcriber
    handler: Handler
    synthesizer: Synthesizer
    speaker: Speaker
    publish: Publish
    settings: Settings
    now: Callable[[], float]
    posts: trio.CapacityLimiter
    """How many transcriptions may be under way at once."""


@dataclass(slots=True)
class _Stretch:
    """One utterance while it is spoken: its sound so far on a channel, then its end."""

    send: trio.MemorySendChannel[bytes]
    receive: trio.MemoryReceiveChannel[bytes]
    said: Said | None = None
    """Set at its end; None after it for a noise."""


@dataclass(slots=True, eq=False)
class Turn:
    """One turn. `transcribed` is called with its text before anything is done with it, and may cancel it."""

    number: int
    stage: Stage
    history: Callable[[], Sequence[Message]]
    transcribed: Callable[[Turn, Transcript], None]
    follows: tuple[Turn, ...] = ()
    """The turns that must have ended before this one's handler begins."""
    before: tuple[Said, ...] = ()
    """Speech of a turn that this one replaced before its reply was heard: part of what is said here."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    gate: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)
    transcript: Transcript | None = None
    outcome: Outcome = "cancelled"
    reason: str = ""
    """Why it was cancelled."""
    replaces: int | None = None
    """The turn whose speech it took over."""
    error: str | None = None
    usage: Usage | None = None
    marks: dict[str, float] = field(default_factory=dict)
    _delivery: Delivery | None = None
    _heard: Heard | None = None
    _own: list[_Stretch] = field(default_factory=list)
    # Unbounded in name only: a turn has one utterance, or the pieces of one that was cut for length.
    _stretches: tuple[trio.MemorySendChannel[_Stretch], trio.MemoryReceiveChannel[_Stretch]] = field(
        default_factory=lambda: trio.open_memory_channel[_Stretch](math.inf)
    )

    # What the conversation tells it; all synchronous, so that hearing never waits for a turn.

    @property
    def over(self) -> bool:
        """Whether it has ended or was told to: it hears nothing more."""
        return self.ended.is_set() or self.scope.cancel_called

    def begin(self) -> None:
        """An utterance begins: the first, or the rest of one that was cut for length."""
        # Bounded by the longest utterance, which the segmenter enforces: nothing ever waits or is dropped here.
        stretch = _Stretch(*trio.open_memory_channel[bytes](math.inf))
        self._own.append(stretch)
        with suppress(trio.BrokenResourceError):  # its task has just failed; the conversation will hear of it
            self._stretches[0].send_nowait(stretch)

    def feed(self, pcm: bytes) -> None:
        """More of the utterance that began."""
        with suppress(trio.BrokenResourceError):
            self._own[-1].send.send_nowait(pcm)

    def end(self, utterance: Utterance) -> None:
        """The utterance is complete; without `continues` so is what the user says in this turn."""
        self._own[-1].said = Said(utterance)
        self._own[-1].send.close()
        if not utterance.continues:
            self._stretches[0].close()
            self.mark("speech_end")

    def drop(self) -> None:
        """The utterance was a noise after all. The turn goes on when it has earlier ones."""
        self._own[-1].send.close()
        self._stretches[0].close()

    def said(self) -> tuple[Said, ...]:
        """All that was said in this turn so far, in order."""
        return self.before + tuple(stretch.said for stretch in self._own if stretch.said is not None)

    def cancel(self, reason: str) -> None:
        """End it here: what was heard until now is what was heard."""
        self._heard, self.reason = self.heard(), reason
        self.mark("cancelled")
        self.scope.cancel(reason)

    def heard(self) -> Heard:
        """What of the reply has been played."""
        if self._heard is not None:
            return self._heard
        return self._delivery.heard() if self._delivery else Heard("", complete=True)

    def heard_s(self) -> float:
        """Seconds of the reply that have been played."""
        return self._delivery.heard_s() if self._delivery else 0.0

    def mark(self, name: str) -> None:
        """Note when a point of the turn was first reached."""
        self.marks.setdefault(name, self.stage.now())

    def spent(self, usage: Usage) -> None:
        """Count what a request of this turn took."""
        self.usage = usage if self.usage is None else self.usage + usage

    async def committed(self) -> None:
        """Wait until this turn is certain."""
        await self.gate.wait()

    async def run(self) -> None:
        """Everything from the first sample to the last. A turn fails alone: no error of its parts leaves it."""
        try:
            with self.scope:
                self.outcome = await self._run()
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - a bug in a part costs the turn, which says it
            self.outcome = "failed"
            self.error = _told(first(group))
        finally:
            self.ended.set()

    async def _run(self) -> Outcome:
        own = await self._listen()
        transcript = await self._with_earlier(own)
        self.mark("text")
        self.transcribed(self, transcript)
        await trio.lowlevel.checkpoint_if_cancelled()  # it may have been for nothing: then no handler hears of it
        self.transcript = transcript = await self._with_earlier(own)  # it may just have taken a turn's place
        if is_empty(transcript.text):
            return "empty"
        for turn in self.follows:
            await turn.ended.wait()
        self.follows = ()  # else every turn would keep all turns before it alive
        if not self.stage.handler.speculative:
            await self.committed()
        await self._answer(transcript)
        return "done"

    async def _listen(self) -> Transcript:
        """Transcribe what is said while it is said; pieces of one long utterance overlap."""
        async with trio.open_nursery() as nursery, self._stretches[1]:
            async for stretch in self._stretches[1]:
                nursery.start_soon(self._transcribe, stretch)
        texts = [s.said.transcript for s in self._own if s.said is not None and s.said.transcript is not None]
        return join(texts) if texts else Transcript("", Utterance(b"", 0, 0))

    async def _transcribe(self, stretch: _Stretch) -> None:
        async with self.stage.transcriber.transcription() as session:
            async with stretch.receive:
                async for pcm in stretch.receive:
                    await session.feed(pcm)
            if stretch.said is None:  # a noise after all
                return
            utterance = stretch.said.utterance
            clip = self._with_before(stretch)
            if clip is None:
                stretch.said = Said(utterance, await self._finish(session, utterance)).lightened()
        if clip is not None:
            # In one step, before anything is awaited: whoever takes over from this turn takes all of its speech.
            self.before, stretch.said = (), Said(clip)
            stretch.said = Said(clip, await self._transcribe_clip(clip))

    def _with_before(self, stretch: _Stretch) -> Utterance | None:
        """One clip with the replaced turn's speech, when there is some and the clip is not too long."""
        if not self.before or stretch.said is None or stretch is not self._own[0]:
            return None
        clips = [*(said.utterance for said in self.before), stretch.said.utterance]
        return merge(clips, limit_s=self.stage.settings.merge_max_s)

    async def _with_earlier(self, own: Transcript) -> Transcript:
        """`own`, after the texts of the replaced turn's speech that did not go into this turn's clip."""
        while missing := [said for said in self.before if said.transcript is None]:
            found = Said(missing[0].utterance, await self._transcribe_clip(missing[0].utterance))
            self.before = tuple(found if said is missing[0] else said for said in self.before)
        earlier = [said.transcript for said in self.before if said.transcript is not None]
        return join([*earlier, own]) if earlier else own

    async def _transcribe_clip(self, clip: Utterance) -> Transcript:
        async with self.stage.transcriber.transcription() as session:
            await session.feed(clip.pcm)
            return await self._finish(session, clip)

    async def _finish(self, session: Transcription, utterance: Utterance) -> Transcript:
        async with self.stage.posts:
            self.mark("post")
            transcript = await session.finish(utterance)
        if transcript.usage is not None:
            self.spent(transcript.usage)
        return transcript

    async def _answer(self, transcript: Transcript) -> None:
        stage = self.stage
        self._delivery = delivery = Delivery(
            stage.synthesizer, stage.speaker, stage.publish, self.committed, self.mark, self.spent
        )
        failures: list[VoiceloopError] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._announce, transcript)
            nursery.start_soon(self._handle, transcript, delivery, failures)
            await delivery.run()
        if failures:  # only now: what the handler had said before it failed was still spoken
            raise failures[0]

    async def _announce(self, transcript: Transcript) -> None:
        await self.committed()
        utterance = transcript.utterance
        self.stage.publish(
            "transcript",
            turn=self.number,
            text=transcript.text,
            start_s=utterance.start / utterance.rate_hz,
            end_s=utterance.voiced_end / utterance.rate_hz,
            confidence=transcript.confidence,
            replaces=self.replaces,
        )

    async def _handle(self, transcript: Transcript, delivery: Delivery, failures: list[VoiceloopError]) -> None:
        try:
            await self.stage.handler.handle(transcript, _Answer(self, delivery, tuple(self.history())))
        except* VoiceloopError as group:
            failures.append(first(group))
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - whatever it raises is told as the handler's
            error = first(group)
            failures.append(HandlerError(f"{type(error).__name__}: {error}", place="handler"))
        await delivery.finish()


@dataclass(frozen=True, slots=True)
class _Answer:
    """`plugins.Reply`, as a handler sees its turn."""

    turn: Turn
    delivery: Delivery
    history: Sequence[Message]

    async def say(self, delta: str) -> None:
        await self.delivery.say(delta)

    async def play(self, speech: Speech, text: str = "") -> None:
        await self.delivery.play(speech, text)

    async def committed(self) -> None:
        await self.turn.committed()

    def spent(self, usage: Usage) -> None:
        self.turn.spent(usage)


def _told(error: BaseException) -> str:
    """What went wrong, in its own words; the type's name too where the words aren't ours."""
    return str(error) if isinstance(error, VoiceloopError) else f"{type(error).__name__}: {error}"
