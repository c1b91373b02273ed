"""From a stream of reply text to the loudspeaker: cut, synthesise ahead, write behind a gate, remember what was heard.

Knows no device and no service: it is given a `Synthesizer` and a `Speaker`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from voiceloop.audio.resample import Resampler
from voiceloop.errors import EngineError, ServiceError, first
from voiceloop.events import Publish
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Synthesizer
from voiceloop.speak.heard import Span, heard
from voiceloop.speak.splitter import Splitter
from voiceloop.types import Heard, Speech, Usage

AHEAD = 1
"""Chunks synthesised beside the one being played: one request hides the next one's first byte, more would only be
thrown away at a barge-in."""


@dataclass(slots=True)
class _Slot:
    """One chunk on its way: its text and the sound that has come for it so far."""

    text: str
    send: trio.MemorySendChannel[Speech]
    receive: trio.MemoryReceiveChannel[Speech]
    sounded: bool = False


def _slot(text: str) -> _Slot:
    # 64 pieces: about a second of PCM as servers send it; past that the synthesiser waits (backpressure).
    return _Slot(text, *trio.open_memory_channel[Speech](64))


@dataclass(slots=True)
class Delivery:
    """One reply on its way out. `say` and `play` add to it, `finish` ends it, `run` delivers it.

    `gate` is awaited before the first sample. `mark` is called with the name of each point in time that is reached:
    `first_text`, `first_pcm`, `first_write`.
    """

    synthesizer: Synthesizer
    speaker: Speaker
    publish: Publish
    gate: Callable[[], Awaitable[None]]
    mark: Callable[[str], None]
    spent: Callable[[Usage], None]
    _splitter: Splitter = field(default_factory=Splitter)
    _spans: list[Span] = field(default_factory=list)
    _epoch: int | None = None
    _failure: ServiceError | EngineError | None = None
    _chunks: tuple[trio.MemorySendChannel[str | _Slot], trio.MemoryReceiveChannel[str | _Slot]] = field(
        # 16 chunks: the handler waits when speech is that far behind; a model's text costs no memory while it waits.
        default_factory=lambda: trio.open_memory_channel[str | _Slot](16)
    )

    async def say(self, delta: str) -> None:
        """Add text; waits when speech is far behind."""
        if delta:
            self.mark("first_text")
        for chunk in self._splitter.feed(delta):
            await self._chunks[0].send(chunk)

    async def play(self, speech: Speech, text: str) -> None:
        """Add sound that says `text`, after everything said so far."""
        for chunk in self._splitter.finish():
            await self._chunks[0].send(chunk)
        slot = _slot(text)
        slot.send.send_nowait(speech)
        slot.send.close()
        await self._chunks[0].send(slot)

    async def finish(self) -> None:
        """The reply is complete."""
        for chunk in self._splitter.finish():
            await self._chunks[0].send(chunk)
        self._chunks[0].close()

    async def run(self) -> None:
        """Deliver until `finish` was called and the last sample was heard. Raises what made the whole reply fail."""
        # The buffer is what "ahead" means: the writer holds one slot, this many wait with their sound coming in.
        send, receive = trio.open_memory_channel[_Slot](AHEAD)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._synthesise_all, send)
            async with receive:
                async for slot in receive:
                    await self._write(slot)
        if self._epoch is not None:
            self.speaker.finish(epoch=self._epoch)
            await self.speaker.drained(epoch=self._epoch)
        elif self._failure is not None:
            raise self._failure

    def heard(self) -> Heard:
        """How much of the reply has been played by now."""
        return heard(self._spans, self.speaker.played_in)

    def heard_s(self) -> float:
        """Seconds of the reply that have been played by now."""
        played = sum(self.speaker.played_in(span.start, span.end) for span in self._spans)
        return played / self.speaker.rate_hz

    async def _synthesise_all(self, ready: trio.MemorySendChannel[_Slot]) -> None:
        async with trio.open_nursery() as nursery, ready, self._chunks[1]:
            async for chunk in self._chunks[1]:
                slot = _slot(chunk) if isinstance(chunk, str) else chunk
                await ready.send(slot)
                if isinstance(chunk, str):
                    nursery.start_soon(self._synthesise, slot)

    async def _synthesise(self, slot: _Slot) -> None:
        """Fetch the sound of one chunk. A chunk that fails is said and passed over; the next one goes on."""
        with slot.send:
            try:
                async with self.synthesizer.speech(slot.text) as pieces:
                    async for piece in pieces:
                        await slot.send.send(piece)
            except* (ServiceError, EngineError) as group:
                self._failed(first(group))

    def _failed(self, error: ServiceError | EngineError) -> None:
        if self._failure is None:
            self._failure = error
        self.publish("speech.failed", error=str(error))

    async def _write(self, slot: _Slot) -> None:
        """Write one chunk's sound to the ring, at the loudspeaker's rate, and note where it lies there."""
        resampler: Resampler | None = None
        async with slot.receive:
            async for piece in slot.receive:
                if piece.usage is not None:
                    self.spent(piece.usage)
                if resampler is None:
                    resampler = Resampler(piece.rate_hz, self.speaker.rate_hz)
                await self._put(slot, resampler.feed(piece.pcm))
        if resampler is not None:
            await self._put(slot, resampler.feed(b"", last=True))

    async def _put(self, slot: _Slot, pcm: bytes) -> None:
        if not pcm:
            return
        if self._epoch is None:
            self.mark("first_pcm")
            await self.gate()
            self._epoch = self.speaker.epoch
            self.mark("first_write")
        if not slot.sounded:
            slot.sounded = True
            self._spans.append(Span(slot.text, self.speaker.written, self.speaker.written))
        # Noted before the write: a cancel in the middle of it must find the sound that is already in the ring.
        span = self._spans[-1]
        self._spans[-1] = Span(span.text, span.start, span.end + len(pcm) // 2)
        await self.speaker.write(pcm, epoch=self._epoch)
