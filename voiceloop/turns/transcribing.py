"""What the user says in one turn, on its way to text: transcribed while it is said, and again when it goes on.

Doesn't decide whether a pause is the end, and does nothing with the text.

An utterance that pauses may be transcribed as if it were over (`pause`); when it goes on (`resume`), that attempt is
abandoned and the longer clip is posted in its place. Pieces of an utterance that was cut for length overlap.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from voiceloop.plugins import Transcriber, Transcription, is_preemptive
from voiceloop.transcribe.merging import Said, join, merge
from voiceloop.types import Transcript, Utterance


@dataclass(slots=True, eq=False)
class _Session:
    """One attempt to transcribe a stretch: its sound so far on a channel that its end closes."""

    scope: trio.CancelScope
    send: trio.MemorySendChannel[bytes]
    receive: trio.MemoryReceiveChannel[bytes]


def _session() -> _Session:
    # Bounded by the longest utterance, which the segmenter enforces: nothing ever waits or is dropped here.
    return _Session(trio.CancelScope(), *trio.open_memory_channel[bytes](math.inf))


@dataclass(slots=True, eq=False)
class _Stretch:
    """One utterance: `said` from its first pause on (None again when it goes on), `ended` when it is complete."""

    session: _Session = field(default_factory=_session)
    said: Said | None = None
    ended: trio.Event = field(default_factory=trio.Event)
    merged: tuple[Said, ...] = ()
    """Earlier speech that is part of the clip in `said`."""
    fed: list[bytes] = field(default_factory=list)
    """What the next attempt starts with."""
    known: trio.Event = field(default_factory=trio.Event)
    """Its text is known, or it was a noise."""


@dataclass(slots=True, eq=False)
class Transcribing:
    """All that is said in one turn. What it is told is synchronous, so that hearing never waits for a turn.

    `safe` is waited for before a clip is sent, `posted(clip)` called when it is, `came(transcript)` when its text is
    there, `failed()` when no text will come for a pause.
    """

    transcriber: Transcriber
    posts: trio.CapacityLimiter
    """How many transcriptions may be under way at once."""
    merge_max_s: float
    posted: Callable[[Utterance], None]
    came: Callable[[Transcript], None]
    failed: Callable[[], None]
    safe: Callable[[], Awaitable[None]]
    before: tuple[Said, ...] = ()
    """Speech of a turn that this one replaced before its reply was heard: part of what is said here."""
    complete: trio.Event = field(default_factory=trio.Event)
    """The user has finished: nothing follows in this turn."""
    _paused: trio.Event = field(default_factory=trio.Event)
    """It is quiet: what was said so far may be all."""
    _own: list[_Stretch] = field(default_factory=list)
    # Unbounded in name only: a turn has one utterance, or the pieces of one that was cut for length.
    _due: tuple[trio.MemorySendChannel[_Stretch], trio.MemoryReceiveChannel[_Stretch]] = field(
        default_factory=lambda: trio.open_memory_channel[_Stretch](math.inf)
    )

    def begin(self) -> None:
        """An utterance begins: the first, or the rest of one that was cut for length."""
        self._own.append(_Stretch())
        self._start(self._own[-1])

    def feed(self, pcm: bytes) -> None:
        """More of the utterance that began."""
        stretch = self._own[-1]
        if is_preemptive(self.transcriber):
            stretch.fed.append(pcm)
        if stretch.said is None:
            with suppress(trio.BrokenResourceError):
                stretch.session.send.send_nowait(pcm)

    def pause(self, clip: Utterance) -> None:
        """It may be over: transcribe `clip`, all of the utterance so far. For speculative transcribers only."""
        stretch = self._own[-1]
        stretch.said = Said(clip)
        stretch.session.send.close()
        self._paused.set()

    def resume(self) -> None:
        """It was not over: what was made of the pause is thrown away."""
        stretch = self._own[-1]
        stretch.session.scope.cancel("resumed")
        self.before = tuple(sorted(stretch.merged + self.before, key=lambda said: said.utterance.start))
        stretch.merged = ()
        stretch.said, stretch.known, self._paused = None, trio.Event(), trio.Event()
        stretch.session = _session()
        stretch.session.send.send_nowait(b"".join(stretch.fed))
        self._start(stretch)

    def end(self, utterance: Utterance) -> None:
        """The utterance is complete; without `continues` so is what the user says in this turn."""
        stretch = self._own[-1]
        stretch.ended.set()
        stretch.fed.clear()
        if stretch.said is None:
            stretch.said = Said(utterance)
            stretch.session.send.close()
        if not utterance.continues:
            self._finish()

    def drop(self) -> None:
        """The utterance was a noise after all. The turn goes on when it has earlier ones."""
        self._own[-1].ended.set()
        self._own[-1].session.send.close()
        self._finish()

    def said(self) -> tuple[Said, ...]:
        """All that was said in this turn so far, in order."""
        return self.before + tuple(stretch.said for stretch in self._own if stretch.said is not None)

    def _start(self, stretch: _Stretch) -> None:
        with suppress(trio.BrokenResourceError):  # its task has just failed; the conversation will hear of it
            self._due[0].send_nowait(stretch)

    def _finish(self) -> None:
        self._due[0].close()
        self._paused.set()
        self.complete.set()

    async def run(self) -> None:
        """Transcribe until all is said and every text is known. Raises what made a transcription fail."""
        async with trio.open_nursery() as nursery, self._due[1]:
            async for stretch in self._due[1]:
                nursery.start_soon(self._transcribe, stretch, stretch.session)

    async def text(self) -> Transcript:
        """What was said until now, as soon as it is quiet and known; `complete` tells whether that is all."""
        await self._paused.wait()
        for stretch in tuple(self._own):
            await stretch.known.wait()
        texts = [s.said.transcript for s in self._own if s.said is not None and s.said.transcript is not None]
        return join(texts) if texts else Transcript("", Utterance(b"", 0, 0))

    async def with_earlier(self, own: Transcript) -> Transcript:
        """`own`, after the texts of earlier speech that did not go into this turn's clip."""
        while missing := [said for said in self.before if said.transcript is None]:
            found = Said(missing[0].utterance, await self._transcribe_clip(missing[0].utterance))
            self.before = tuple(found if said is missing[0] else said for said in self.before)
        earlier = [said.transcript for said in self.before if said.transcript is not None]
        return join([*earlier, own]) if earlier else own

    async def _transcribe(self, stretch: _Stretch, session: _Session) -> None:
        with session.scope:
            failures: list[Exception] = []
            try:
                await self._attempt(stretch, session)
            except* Exception as group:  # noqa: BLE001 - raised below
                failures += group.exceptions
            await trio.lowlevel.checkpoint_if_cancelled()  # it may have gone on in this very moment
            if failures:
                if stretch.said is not None:
                    self.failed()
                    await stretch.ended.wait()  # what fails in a pause fails only if the pause was the end
                raise ExceptionGroup("the transcription failed", failures)
            stretch.known.set()

    async def _attempt(self, stretch: _Stretch, session: _Session) -> None:
        async with self.transcriber.transcription() as transcription:
            async with session.receive:
                async for pcm in session.receive:
                    await transcription.feed(pcm)
            if stretch.said is None:  # a noise after all
                return
            clip = self._with_before(stretch, stretch.said.utterance)
            transcript = await self._post(transcription, stretch.said.utterance) if clip is None else None
        if clip is not None:
            # In one step, before anything is awaited: whoever takes over from this turn takes all of its speech.
            self.before, stretch.merged, stretch.said = (), self.before, Said(clip)
            transcript = await self._transcribe_clip(clip)
        await trio.lowlevel.checkpoint_if_cancelled()  # it may have gone on in this very moment
        stretch.said = Said(stretch.said.utterance, transcript).lightened()

    def _with_before(self, stretch: _Stretch, utterance: Utterance) -> Utterance | None:
        """One clip with the replaced turn's speech, when there is some and the clip is not too long."""
        if not self.before or stretch is not self._own[0]:
            return None
        clips = [*(said.utterance for said in self.before), utterance]
        return merge(clips, limit_s=self.merge_max_s)

    async def _transcribe_clip(self, clip: Utterance) -> Transcript:
        async with self.transcriber.transcription() as transcription:
            await transcription.feed(clip.pcm)
            return await self._post(transcription, clip)

    async def _post(self, transcription: Transcription, clip: Utterance) -> Transcript:
        async with self.posts:
            await self.safe()
            await trio.lowlevel.checkpoint_if_cancelled()  # what goes on is not posted
            self.posted(clip)
            transcript = await transcription.finish(clip)
        self.came(transcript)
        return transcript
