"""Transcription of the speech of one turn: begun while the user speaks, and again when they go on after a pause.

Doesn't decide whether a pause is the end of the speech, and does nothing with the text.

With a preemptive transcriber every pause is transcribed as if the user had finished. If they go on, that transcription
is abandoned, and the longer clip is posted in its place. A is what is said before the pause, B what is said after it:

    time    ----------------------------------------------------------------------------
    voice     AAAAAA            BBBBBB
    calls     begin     pause   resume      pause               end: `complete` is set
              feed...   |       feed...     |                   |
    posted              [clip A x           [clip A+B ]         |
                                                       ^ `text` returns

`text` may return during the pause already; `complete` tells whether that is all the speech.

With other transcribers there are no calls of `pause` and `resume`: the clip is finished at `end`. A very long utterance
is cut into pieces for length; each piece has its own begin and end, and their transcriptions overlap.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from voiceloop.errors import contained
from voiceloop.plugins import Transcriber, Transcription, is_preemptive
from voiceloop.transcribe.merging import SpokenClip, join, merge
from voiceloop.types import Transcript, Utterance


@dataclass(slots=True, eq=False)
class _Session:
    """One attempt to transcribe a piece: its sound arrives on a channel, which is closed when the sound is complete."""

    scope: trio.CancelScope
    send: trio.MemorySendChannel[bytes]
    receive: trio.MemoryReceiveChannel[bytes]


def _open_session() -> _Session:
    # Bounded by the longest utterance, which the segmenter enforces: no sender ever waits, and nothing is dropped.
    return _Session(trio.CancelScope(), *trio.open_memory_channel[bytes](math.inf))


@dataclass(slots=True, eq=False)
class _Piece:
    """One utterance, or one piece of an utterance that was cut for length."""

    session: _Session = field(default_factory=_open_session)
    clip: SpokenClip | None = None
    """The clip being transcribed, and its text once it is known. Set at each pause and at the end; None while the user
    speaks."""
    ended: trio.Event = field(default_factory=trio.Event)
    """Set when the utterance is complete."""
    held: bool = False
    """Its sound is kept from the transcriber until it is known that it counts."""
    merged: tuple[SpokenClip, ...] = ()
    """Earlier speech that is part of `clip`."""
    fed: list[bytes] = field(default_factory=list)
    """All sound so far, which the next session starts with. Kept for preemptive transcribers only."""
    text_known: trio.Event = field(default_factory=trio.Event)
    """Set when the text is known, or the utterance was a noise."""


class TranscribingOwner(Protocol):
    """The turn whose speech is transcribed."""

    async def saved(self) -> None:
        """Awaited before a clip is posted: returns when the journal has saved the speech."""

    def posting(self, clip: Utterance) -> None:
        """Called with a clip just before it is posted."""

    def posted(self, transcript: Transcript) -> None:
        """Called when a clip's text has arrived."""

    def pause_failed(self) -> None:
        """Called when a pause will have no text, because its transcription failed."""


@dataclass(slots=True, eq=False)
class Transcribing:
    """The speech of one turn on its way to text.

    `begin`, `feed`, `pause`, `resume`, `end` and `drop` are synchronous, so that the listener never waits for a turn.
    """

    transcriber: Transcriber
    posts: trio.CapacityLimiter
    """How many transcriptions may be under way at once, over all turns."""
    merge_max_s: float
    """Speech up to this long is merged with earlier speech into one clip (`conversation.merge_max_s`)."""
    owner: TranscribingOwner
    earlier: tuple[SpokenClip, ...] = ()
    """Speech of a turn that this one replaced before its reply was heard: it belongs to the speech of this turn."""
    complete: trio.Event = field(default_factory=trio.Event)
    """Set when the user has finished: no more speech follows in this turn."""
    _paused: trio.Event = field(default_factory=trio.Event)
    """Set while the user is quiet: the speech so far may be all of it."""
    _pieces: list[_Piece] = field(default_factory=list)
    # Unbounded in name only: a turn has one utterance, or the pieces of one that was cut for length.
    _queue: tuple[trio.MemorySendChannel[_Piece], trio.MemoryReceiveChannel[_Piece]] = field(
        default_factory=lambda: trio.open_memory_channel[_Piece](math.inf)
    )

    def begin(self, *, held: bool = False) -> None:
        """An utterance begins: the first, or the next piece of one that was cut for length. `held`: it may turn out not
        to count, so the transcriber gets nothing of it before its end."""
        self._pieces.append(_Piece(held=held))
        self._start(self._pieces[-1])

    def feed(self, pcm: bytes) -> None:
        """Take more sound of the current utterance: int16, mono, 16 kHz."""
        piece = self._pieces[-1]
        if is_preemptive(self.transcriber):
            piece.fed.append(pcm)
        if piece.clip is None:
            with suppress(trio.BrokenResourceError):
                piece.session.send.send_nowait(pcm)

    def pause(self, clip: Utterance) -> None:
        """The user may have finished: transcribe `clip`, the utterance so far. Only for preemptive transcribers."""
        piece = self._pieces[-1]
        piece.clip = SpokenClip(clip)
        piece.session.send.close()
        self._paused.set()

    def resume(self) -> None:
        """The user goes on: abandon the transcription that the pause started, and begin one of the longer clip."""
        piece = self._pieces[-1]
        piece.session.scope.cancel("resumed")
        self.earlier = tuple(sorted(piece.merged + self.earlier, key=lambda clip: clip.utterance.start))
        piece.merged = ()
        piece.clip, piece.text_known, self._paused = None, trio.Event(), trio.Event()
        piece.session = _open_session()
        piece.session.send.send_nowait(b"".join(piece.fed))
        self._start(piece)

    def end(self, utterance: Utterance) -> None:
        """The utterance is complete. Unless it `continues`, the user has finished speaking in this turn."""
        piece = self._pieces[-1]
        piece.ended.set()
        piece.fed.clear()
        if piece.clip is None:
            piece.clip = SpokenClip(utterance)
            piece.session.send.close()
        if not utterance.continues:
            self._finish()

    def drop(self) -> None:
        """The utterance was only a noise. If the turn has earlier utterances, it goes on with those."""
        self._pieces[-1].ended.set()
        self._pieces[-1].session.send.close()
        self._finish()

    @property
    def is_one_utterance(self) -> bool:
        """Whether the latest utterance is all the speech of this turn: nothing was said before it."""
        return len(self._pieces) == 1 and not self.earlier and not self._pieces[0].merged

    def clips(self) -> tuple[SpokenClip, ...]:
        """The speech of this turn so far, in order."""
        return self.earlier + tuple(piece.clip for piece in self._pieces if piece.clip is not None)

    def _start(self, piece: _Piece) -> None:
        with suppress(trio.BrokenResourceError):  # `run` has just failed; the conversation is about to be told
            self._queue[0].send_nowait(piece)

    def _finish(self) -> None:
        self._queue[0].close()
        self._paused.set()
        self.complete.set()

    async def run(self) -> None:
        """Transcribe until the user has finished and every text is known. Raises the error of a transcription."""
        async with trio.open_nursery() as nursery, self._queue[1]:
            async for piece in self._queue[1]:
                nursery.start_soon(self._transcribe, piece, piece.session, name="transcription of a piece")

    async def text(self) -> Transcript:
        """The text of this turn's own speech so far, once the user is quiet and it is known.

        `complete` says whether the user has finished. `with_earlier` adds the text of earlier speech.
        """
        await self._paused.wait()
        for piece in tuple(self._pieces):
            await piece.text_known.wait()
        texts = [p.clip.transcript for p in self._pieces if p.clip is not None and p.clip.transcript is not None]
        return join(texts) if texts else Transcript("", Utterance(b"", 0, 0))

    async def with_earlier(self, own: Transcript) -> Transcript:
        """`own`, preceded by the text of earlier speech that was not merged into this turn's clip."""
        while missing := [clip for clip in self.earlier if clip.transcript is None]:
            found = SpokenClip(missing[0].utterance, await self._transcribe_clip(missing[0].utterance))
            self.earlier = tuple(found if clip is missing[0] else clip for clip in self.earlier)
        earlier = [clip.transcript for clip in self.earlier if clip.transcript is not None]
        return join([*earlier, own]) if earlier else own

    async def _transcribe(self, piece: _Piece, session: _Session) -> None:
        with session.scope:
            failures: list[Exception] = []
            try:
                await contained(partial(self._run_session, piece, session))
            except* Exception as group:  # noqa: BLE001 - raised below
                failures += group.exceptions
            await trio.lowlevel.checkpoint_if_cancelled()  # the user may have gone on at this very moment
            if failures:
                if piece.clip is not None:
                    self.owner.pause_failed()
                    # Preemptive work: report its error only if the user really had finished.
                    await piece.ended.wait()
                raise ExceptionGroup("the transcription failed", failures)
            piece.text_known.set()

    async def _run_session(self, piece: _Piece, session: _Session) -> None:
        async with self.transcriber.transcription() as transcription:
            held = bytearray()
            async with session.receive:
                async for pcm in session.receive:
                    if piece.held:
                        held += pcm
                    else:
                        await transcription.feed(pcm)
            if piece.clip is None:  # the utterance was only a noise
                return
            if piece.held:
                await transcription.feed(bytes(held))
            clip = self._merged_with_earlier(piece, piece.clip.utterance)
            transcript = await self._post(transcription, piece.clip.utterance) if clip is None else None
        if clip is not None:
            # In one step, with no await in between: a turn that takes over from this one must get all of its speech.
            self.earlier, piece.merged, piece.clip = (), self.earlier, SpokenClip(clip)
            transcript = await self._transcribe_clip(clip)
        await trio.lowlevel.checkpoint_if_cancelled()  # the user may have gone on at this very moment
        piece.clip = SpokenClip(piece.clip.utterance, transcript).lightened()

    def _merged_with_earlier(self, piece: _Piece, utterance: Utterance) -> Utterance | None:
        """One clip of the earlier speech and `utterance`; None if there is none or it would be too long."""
        if not self.earlier or piece is not self._pieces[0]:
            return None
        clips = [*(clip.utterance for clip in self.earlier), utterance]
        return merge(clips, limit_s=self.merge_max_s)

    async def _transcribe_clip(self, clip: Utterance) -> Transcript:
        async with self.transcriber.transcription() as transcription:
            await transcription.feed(clip.pcm)
            return await self._post(transcription, clip)

    async def _post(self, transcription: Transcription, clip: Utterance) -> Transcript:
        async with self.posts:
            await self.owner.saved()
            await trio.lowlevel.checkpoint_if_cancelled()  # if the user has gone on, this clip must not be posted
            self.owner.posting(clip)
            transcript = await transcription.finish(clip)
        self.owner.posted(transcript)
        return transcript
