"""Delivery: takes a reply as a stream of text and plays it, synthesising ahead and noting what was heard.

    say() -> splitter -> [chunks] -> synthesizer -> [slots] -> resampler -> gate (`committed`) -> speaker
    play() -----------------^ (audio that needs no synthesis)

It knows no device and no service, only a `Synthesizer` and a `Speaker`.
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
"""How many chunks are synthesised beside the one being played. One chunk ahead hides the latency of its request; more
would only be discarded at a barge-in."""
_LETTERS_A_SECOND = 14
"""How fast voices speak: used to estimate the length of a chunk that broke off or has not arrived completely."""


@dataclass(slots=True)
class _Slot:
    """A chunk under way: its text, and a channel with the audio received for it so far."""

    text: str
    send: trio.MemorySendChannel[Speech]
    receive: trio.MemoryReceiveChannel[Speech]
    ready: bool = False
    """It came as audio (`play`), so the audio after it continues the same stream."""
    sounded: bool = False
    """Some of its audio was written to the ring."""
    failed: bool = False


def _slot(text: str, *, ready: bool = False) -> _Slot:
    # Bound: 64 pieces, about a second of PCM as servers send it. When it is full the synthesiser waits (backpressure).
    return _Slot(text, *trio.open_memory_channel[Speech](64), ready)


def _seconds(piece: Speech) -> float:
    return len(piece.pcm) / SAMPLE_BYTES / piece.rate_hz


class DeliveryOwner(Protocol):
    """The owner of a reply's delivery: decides when the reply may sound, and notes its progress and its requests."""

    async def committed(self) -> None:
        """Wait until the reply may sound."""

    def mark(self, name: str) -> None:
        """Note that a point in time is reached: `first_text`, `first_pcm`, `first_write`, `first_played`."""

    def sounds(self, text: str) -> None:
        """Note that the first sample of a chunk that says `text` is played."""

    def asking(self, kind: Literal["speak"]) -> None:
        """Note that a request is about to be made."""

    def spent(self, kind: Literal["speak"], usage: Usage) -> None:
        """Add the usage of a request."""


@dataclass(slots=True)
class Delivery:
    """The delivery of one reply. `say` and `play` add to the reply, `finish` ends it, `run` delivers it.

    Nothing sounds before `owner.committed()` returns, and until then only the first chunk is synthesised.
    """

    synthesizer: Synthesizer
    speaker: Speaker
    publish: Publish
    owner: DeliveryOwner
    _splitter: Splitter = field(default_factory=Splitter)
    _spans: list[Span] = field(default_factory=list)
    _last_span_grows: bool = False
    """More audio of the last span is still to come."""
    _epoch: int | None = None
    """The ring's epoch that this reply is written under; None before its first sample."""
    _slot_count: int = 0
    _failure: ServiceError | EngineError | None = None
    _resampler: Resampler | None = None
    _play_stream: Stream | None = None
    """For the jitter buffer: all audio from `play`, which is one stream."""
    _chunks: tuple[trio.MemorySendChannel[str | _Slot], trio.MemoryReceiveChannel[str | _Slot]] = field(
        # Bound: 16 chunks. When speech is that far behind the handler waits; a model's text uses no memory meanwhile.
        default_factory=lambda: trio.open_memory_channel[str | _Slot](16)
    )

    async def say(self, delta: str) -> None:
        """Add text. Waits when speech is far behind."""
        if delta:
            self.owner.mark("first_text")
        for chunk in self._splitter.feed(delta):
            await self._chunks[0].send(chunk)

    async def play(self, speech: Speech, text: str) -> None:
        """Add audio that says `text`, after everything added so far."""
        for chunk in self._splitter.finish():
            await self._chunks[0].send(chunk)
        slot = _slot(text, ready=True)
        slot.send.send_nowait(speech)
        slot.send.close()
        if self._play_stream is None:
            self._play_stream = self.speaker.jitter_buffer.stream()
        self._play_stream.came(trio.current_time(), _seconds(speech))
        await self._chunks[0].send(slot)
        self._play_stream.asked(trio.current_time())

    async def finish(self) -> None:
        """End the reply: it is complete."""
        for chunk in self._splitter.finish():
            await self._chunks[0].send(chunk)
        self._chunks[0].close()

    async def run(self) -> None:
        """Deliver until `finish` was called and the last sample was heard. Raises the first error if
        nothing sounded."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._report_played, name="report played chunks")
            await self._run()
            nursery.cancel_scope.cancel()

    async def _run(self) -> None:
        # Bound: AHEAD. The writer holds one slot, and AHEAD slots wait here while their audio arrives.
        send, receive = trio.open_memory_channel[_Slot](AHEAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._synthesise_all, send, name="synthesise a reply")
            async with receive:
                async for slot in receive:
                    await self._write(slot)
                await self._flush()
        if self._epoch is not None:
            self.speaker.finish(epoch=self._epoch)
            await self.speaker.drained(epoch=self._epoch)
        elif self._failure is not None:
            raise self._failure

    async def _report_played(self) -> None:
        """Report each chunk to the owner when its first sample is played."""
        reported = 0
        while True:
            while reported < len(self._spans):
                span = self._spans[reported]
                if not self.speaker.played_in(span.start, span.end):
                    break
                self.owner.mark("first_played")
                self.owner.sounds(span.text)
                reported += 1
            await self.speaker.changed()

    def heard(self) -> Heard:
        """The part of the reply that has been played by now."""
        spans = self._spans
        # Audio may arrive no faster than it is played. Without an estimate of its full length, nearly all of a long
        # chunk would count as heard.
        if self._last_span_grows:
            last = spans[-1]
            length = round(len(last.text) / _LETTERS_A_SECOND * self.speaker.rate_hz)
            spans = [*spans[:-1], replace(last, end=max(last.end, last.start + length))]
        played = heard(spans, self.speaker.played_in)
        return replace(played, complete=played.complete and self._failure is None)

    def heard_s(self) -> float:
        """How many seconds of the reply have been played by now."""
        played = sum(self.speaker.played_in(span.start, span.end) for span in self._spans)
        return played / self.speaker.rate_hz

    async def _synthesise_all(self, ready: trio.MemorySendChannel[_Slot]) -> None:
        async with trio.open_nursery() as nursery, ready, self._chunks[1]:
            async for chunk in self._chunks[1]:
                if self._slot_count:
                    await self.owner.committed()
                slot = _slot(chunk) if isinstance(chunk, str) else chunk
                self._slot_count += 1
                await ready.send(slot)
                if isinstance(chunk, str):
                    nursery.start_soon(self._synthesise, slot, name="synthesise a chunk")

    async def _synthesise(self, slot: _Slot) -> None:
        """Fetch the audio of one chunk. If a chunk fails, the error is published and the next chunk goes on."""
        with slot.send:
            try:
                await trio.lowlevel.checkpoint_if_cancelled()  # a chunk that was cancelled already makes no request
                self.owner.asking("speak")
                stream = self.speaker.jitter_buffer.stream()
                async with self.synthesizer.speech(slot.text) as pieces:
                    async for piece in pieces:
                        stream.came(trio.current_time(), _seconds(piece))
                        await slot.send.send(piece)
                        stream.asked(trio.current_time())
            except* (ServiceError, EngineError) as group:
                slot.failed = True
                self._publish_failure(first(group))

    def _publish_failure(self, error: ServiceError | EngineError) -> None:
        if self._failure is None:
            self._failure = error
        self.publish("speech.failed", error=str(error))

    async def _write(self, slot: _Slot) -> None:
        """Write the audio of one chunk to the ring, at the loudspeaker's rate, and note its position there."""
        async with slot.receive:
            async for piece in slot.receive:
                if piece.usage is not None:
                    self.owner.spent("speak", piece.usage)
                if self._resampler is None or self._resampler.from_hz != piece.rate_hz:
                    await self._flush()
                    self._resampler = Resampler(from_hz=piece.rate_hz, to_hz=self.speaker.rate_hz)
                await self._write_pcm(slot, self._resampler.feed(piece.pcm))
        if not slot.ready:
            await self._flush(slot)
            self._last_span_grows = False
            if self._epoch is not None:
                # The next chunk is a new request: a short one like "Yes." is played without waiting for it.
                self.speaker.enough(epoch=self._epoch)
        if slot.failed and slot.sounded:
            self._keep_words_that_sounded()
        elif slot.text and not slot.sounded and not slot.failed and self._spans:
            # Text without audio belongs to the audio before: speech models send the last words after their audio.
            self._spans[-1] = replace(self._spans[-1], text=join_chunks([self._spans[-1].text, slot.text]))

    async def _flush(self, slot: _Slot | None = None) -> None:
        """Write what is left in the resampler: the end of `slot`, or of the audio before."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            await self._write_pcm(slot, resampler.feed(b"", last=True))

    def _keep_words_that_sounded(self) -> None:
        """Shorten the text of the last span, a chunk that broke off, to the words that its audio can have said."""
        span = self._spans[-1]
        letters = round((span.end - span.start) / self.speaker.rate_hz * _LETTERS_A_SECOND)
        words = span.text[:letters].rpartition(" ")[0] if letters < len(span.text) else span.text
        self._spans[-1] = replace(span, text=words)

    async def _write_pcm(self, slot: _Slot | None, pcm: bytes) -> None:
        """Write `pcm` as audio of `slot`, or of the last chunk if that is None."""
        if not pcm:
            return
        if self._epoch is None:
            self.owner.mark("first_pcm")
            await self.owner.committed()
            self._epoch = self.speaker.epoch
            self.owner.mark("first_write")
        if not self._spans or (slot is not None and not slot.sounded):
            self._spans.append(Span(slot.text if slot else "", self.speaker.written, self.speaker.written))
        if slot is not None:
            slot.sounded, self._last_span_grows = True, not slot.ready
        # Noted before the write: if that is cancelled in the middle, the span must include the samples in the ring.
        span = self._spans[-1]
        self._spans[-1] = replace(span, end=span.end + len(pcm) // SAMPLE_BYTES)
        await self.speaker.write(pcm, epoch=self._epoch)
