"""From a stream of reply text to the loudspeaker: cut, synthesise ahead, write behind a gate, remember what was heard.

Knows no device and no service: it is given a `Synthesizer` and a `Speaker`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import trio

from voiceloop.audio.resample import Resampler
from voiceloop.errors import EngineError, ServiceError, first
from voiceloop.events import Publish
from voiceloop.playback.jitter_buffer import Stream
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Synthesizer
from voiceloop.speak.heard import Span, heard
from voiceloop.speak.splitter import Splitter
from voiceloop.text import join_chunks
from voiceloop.types import SAMPLE_BYTES, Heard, Speech, Usage

AHEAD = 1
"""Chunks synthesised beside the one being played: one request hides the next one's first byte, more would only be
thrown away at a barge-in."""
_LETTERS_A_SECOND = 14
"""How fast voices speak, where a chunk broke off, or not all of it has come, and its length isn't known."""


@dataclass(slots=True)
class _Slot:
    """One chunk on its way: its text and the sound that has come for it so far."""

    text: str
    send: trio.MemorySendChannel[Speech]
    receive: trio.MemoryReceiveChannel[Speech]
    ready: bool = False
    """It came as sound (`play`): what follows on it is the same stream, not a chunk of its own."""
    sounded: bool = False
    failed: bool = False


def _slot(text: str, *, ready: bool = False) -> _Slot:
    # 64 pieces: about a second of PCM as servers send it; past that the synthesiser waits (backpressure).
    return _Slot(text, *trio.open_memory_channel[Speech](64), ready)


def _seconds(piece: Speech) -> float:
    return len(piece.pcm) / SAMPLE_BYTES / piece.rate_hz


class Book(Protocol):
    """Who asked for the reply, and keeps account of it."""

    async def committed(self) -> None:
        """Wait until something may sound."""

    def mark(self, name: str) -> None:
        """A point in time is reached: `first_text`, `first_pcm`, `first_write`, `first_played`."""

    def sounds(self, text: str) -> None:
        """A chunk that says `text` begins to be played."""

    def asking(self, kind: Literal["speak"]) -> None:
        """A request is about to be made."""

    def spent(self, kind: Literal["speak"], usage: Usage) -> None:
        """A request took so much."""


@dataclass(slots=True)
class Delivery:
    """One reply on its way out. `say` and `play` add to it, `finish` ends it, `run` delivers it.

    Nothing sounds before `book.committed()`, and until then no more than the first chunk is synthesised.
    """

    synthesizer: Synthesizer
    speaker: Speaker
    publish: Publish
    book: Book
    _splitter: Splitter = field(default_factory=Splitter)
    _spans: list[Span] = field(default_factory=list)
    _coming: bool = False
    """More sound of the last of `_spans` is to come."""
    _epoch: int | None = None
    _slots: int = 0
    _failure: ServiceError | EngineError | None = None
    _resampler: Resampler | None = None
    _played: Stream | None = None
    """What comes as sound, all of one stream."""
    _chunks: tuple[trio.MemorySendChannel[str | _Slot], trio.MemoryReceiveChannel[str | _Slot]] = field(
        # 16 chunks: the handler waits when speech is that far behind; a model's text costs no memory while it waits.
        default_factory=lambda: trio.open_memory_channel[str | _Slot](16)
    )

    async def say(self, delta: str) -> None:
        """Add text; waits when speech is far behind."""
        if delta:
            self.book.mark("first_text")
        for chunk in self._splitter.feed(delta):
            await self._chunks[0].send(chunk)

    async def play(self, speech: Speech, text: str) -> None:
        """Add sound that says `text`, after everything said so far."""
        for chunk in self._splitter.finish():
            await self._chunks[0].send(chunk)
        slot = _slot(text, ready=True)
        slot.send.send_nowait(speech)
        slot.send.close()
        if self._played is None:
            self._played = self.speaker.jitter_buffer.stream()
        self._played.came(trio.current_time(), _seconds(speech))
        await self._chunks[0].send(slot)
        self._played.asked(trio.current_time())

    async def finish(self) -> None:
        """The reply is complete."""
        for chunk in self._splitter.finish():
            await self._chunks[0].send(chunk)
        self._chunks[0].close()

    async def run(self) -> None:
        """Deliver until `finish` was called and the last sample was heard. Raises what made the whole reply fail."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._see_it_played)
            await self._run()
            nursery.cancel_scope.cancel()

    async def _run(self) -> None:
        # The buffer is what "ahead" means: the writer holds one slot, this many wait with their sound coming in.
        send, receive = trio.open_memory_channel[_Slot](AHEAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._synthesise_all, send)
            async with receive:
                async for slot in receive:
                    await self._write(slot)
                await self._flush()
        if self._epoch is not None:
            self.speaker.finish(epoch=self._epoch)
            await self.speaker.drained(epoch=self._epoch)
        elif self._failure is not None:
            raise self._failure

    async def _see_it_played(self) -> None:
        """Tell of each chunk when its first sample is played."""
        seen = 0
        while True:
            while seen < len(self._spans) and self.speaker.played_in(self._spans[seen].start, self._spans[seen].end):
                self.book.mark("first_played")
                self.book.sounds(self._spans[seen].text)
                seen += 1
            await self.speaker.changed()

    def heard(self) -> Heard:
        """How much of the reply has been played by now."""
        spans = self._spans
        if self._coming:  # else nearly all of a long chunk would count that comes no faster than it is played
            last = spans[-1]
            length = round(len(last.text) / _LETTERS_A_SECOND * self.speaker.rate_hz)
            spans = [*spans[:-1], replace(last, end=max(last.end, last.start + length))]
        played = heard(spans, self.speaker.played_in)
        return replace(played, complete=played.complete and self._failure is None)

    def heard_s(self) -> float:
        """Seconds of the reply that have been played by now."""
        played = sum(self.speaker.played_in(span.start, span.end) for span in self._spans)
        return played / self.speaker.rate_hz

    async def _synthesise_all(self, ready: trio.MemorySendChannel[_Slot]) -> None:
        async with trio.open_nursery() as nursery, ready, self._chunks[1]:
            async for chunk in self._chunks[1]:
                if self._slots:
                    await self.book.committed()
                slot = _slot(chunk) if isinstance(chunk, str) else chunk
                self._slots += 1
                await ready.send(slot)
                if isinstance(chunk, str):
                    nursery.start_soon(self._synthesise, slot)

    async def _synthesise(self, slot: _Slot) -> None:
        """Fetch the sound of one chunk. A chunk that fails is said and passed over; the next one goes on."""
        with slot.send:
            try:
                await trio.lowlevel.checkpoint_if_cancelled()  # what was thrown away already asks nothing
                self.book.asking("speak")
                stream = self.speaker.jitter_buffer.stream()
                async with self.synthesizer.speech(slot.text) as pieces:
                    async for piece in pieces:
                        stream.came(trio.current_time(), _seconds(piece))
                        await slot.send.send(piece)
                        stream.asked(trio.current_time())
            except* (ServiceError, EngineError) as group:
                slot.failed = True
                self._failed(first(group))

    def _failed(self, error: ServiceError | EngineError) -> None:
        if self._failure is None:
            self._failure = error
        self.publish("speech.failed", error=str(error))

    async def _write(self, slot: _Slot) -> None:
        """Write one chunk's sound to the ring, at the loudspeaker's rate, and note where it lies there."""
        async with slot.receive:
            async for piece in slot.receive:
                if piece.usage is not None:
                    self.book.spent("speak", piece.usage)
                if self._resampler is None or self._resampler.from_hz != piece.rate_hz:
                    await self._flush()
                    self._resampler = Resampler(piece.rate_hz, self.speaker.rate_hz)
                await self._put(slot, self._resampler.feed(piece.pcm))
        if not slot.ready:
            await self._flush(slot)
            self._coming = False
            if self._epoch is not None:
                self.speaker.enough(epoch=self._epoch)  # a next chunk is a new request: "Yes." doesn't wait for it
        if slot.failed and slot.sounded:
            self._cut_short()
        elif slot.text and not slot.sounded and not slot.failed and self._spans:
            # Words that came after their sound, as voice-native models send the last ones.
            self._spans[-1] = replace(self._spans[-1], text=join_chunks([self._spans[-1].text, slot.text]))

    async def _flush(self, slot: _Slot | None = None) -> None:
        """Write what is left in the resampler: the end of `slot`, or of the sound before."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            await self._put(slot, resampler.feed(b"", last=True))

    def _cut_short(self) -> None:
        """Of a chunk that broke off only the words that its sound can have said count."""
        span = self._spans[-1]
        letters = round((span.end - span.start) / self.speaker.rate_hz * _LETTERS_A_SECOND)
        words = span.text[:letters].rpartition(" ")[0] if letters < len(span.text) else span.text
        self._spans[-1] = replace(span, text=words)

    async def _put(self, slot: _Slot | None, pcm: bytes) -> None:
        """Write `pcm` as part of a new chunk, or of the last one where there is no `slot`."""
        if not pcm:
            return
        if self._epoch is None:
            self.book.mark("first_pcm")
            await self.book.committed()
            self._epoch = self.speaker.epoch
            self.book.mark("first_write")
        if not self._spans or (slot is not None and not slot.sounded):
            self._spans.append(Span(slot.text if slot else "", self.speaker.written, self.speaker.written))
        if slot is not None:
            slot.sounded, self._coming = True, not slot.ready
        # Noted before the write: a cancel in the middle of it must find the sound that is already in the ring.
        span = self._spans[-1]
        self._spans[-1] = replace(span, end=span.end + len(pcm) // 2)
        await self.speaker.write(pcm, epoch=self._epoch)
