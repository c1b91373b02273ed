"""Delivery: takes a reply as a stream of text and plays it, synthesising ahead and noting what was heard.

    say() -> splitter -> [chunks] -> synthesizer -> [slots] -> resampler -> trimmer -> gate (`committed`) -> speaker
    play() -----------------^ (audio that needs no synthesis)

It knows no device and no service, only a `Synthesizer` and a `Speaker`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

import trio

from voiceloop.audio.resample import Resampler
from voiceloop.errors import EngineError, HandlerError, ServiceError, first
from voiceloop.events import Publish
from voiceloop.playback.jitter_buffer import Stream
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Synthesizer
from voiceloop.speak.heard import Spans
from voiceloop.speak.private_text import PrivateText
from voiceloop.speak.splitter import Splitter
from voiceloop.speak.trimming import Trimmed, Trimmer, pause_s
from voiceloop.types import SAMPLE_BYTES, Heard, Speech, Usage

AHEAD = 1
"""How many chunks are synthesised beside the one being played. One chunk ahead hides the latency of its request; more
would only be discarded at a barge-in."""
RESERVE_S = 0.06
"""Silence that is held back is written when no more than this is left to play, beyond the jitter buffer's level."""
_STEP_S = 0.02
_SLICE_S = 0.1
"""How much sound is worked on before the first of it is written: a synthesizer may deliver many seconds at once."""
_PIECE = 1_000
"""How many characters of a reply are worked on at once: about 10 ms."""
T = TypeVar("T")


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


def _slices(piece: Speech) -> Iterator[bytes]:
    size = max(1, round(_SLICE_S * piece.rate_hz)) * SAMPLE_BYTES
    return (piece.pcm[at : at + size] for at in range(0, len(piece.pcm), size))


class DeliveryOwner(Protocol):
    """The owner of a reply's delivery: decides when the reply may sound, and notes its progress and its requests."""

    async def committed(self) -> None:
        """Wait until the reply may sound."""

    def mark(self, name: str) -> None:
        """Note that a point in time is reached: `first_text`, and for the first audible sample `first_pcm` (it has
        arrived), `first_write` and `first_played`."""

    def sounds(self, text: str) -> None:
        """Note that the first audible sample of a chunk that says `text` is played."""

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
    language: str | None = None
    """Of the reply, for its abbreviations; None: not known."""
    written: bool = False
    """Somebody has written the text: it is no reply of a model."""
    _private: PrivateText = field(init=False)
    _splitter: Splitter = field(init=False)
    _epoch: int | None = None
    """The ring's epoch that this reply is written under; None before its first sample."""
    _slot_count: int = 0
    _refused: bool = False
    """The loudspeaker takes no more of this reply: its device is gone."""
    _requests: set[trio.CancelScope] = field(default_factory=set)
    """The requests under way."""
    _blank: bool = True
    """No text but blanks has come."""
    _failure: ServiceError | EngineError | None = None
    _spans: Spans = field(init=False)
    _trimmer: Trimmer = field(init=False)
    _last_slot: _Slot | None = None
    """The slot that was written last."""
    _resampler: Resampler | None = None
    _play_stream: Stream | None = None
    """For the jitter buffer: all audio from `play`, which is one stream."""
    _chunks: tuple[trio.MemorySendChannel[str | _Slot], trio.MemoryReceiveChannel[str | _Slot]] = field(
        # Bound: 16 chunks. When speech is that far behind the handler waits; a model's text uses no memory meanwhile.
        default_factory=lambda: trio.open_memory_channel[str | _Slot](16)
    )

    def __post_init__(self) -> None:
        # What sounds like thoughts is judged where a model's answer is read, for each answer by itself.
        self._private = PrivateText(guess=False, react=not self.written)
        self._splitter = Splitter(language=self.language)
        self._spans, self._trimmer = Spans(self.speaker.rate_hz), Trimmer(self.speaker.rate_hz)

    async def say(self, delta: str) -> None:
        """Add text. Waits when speech is far behind."""
        if delta:
            self.owner.mark("first_text")
            self._blank = self._blank and not delta.strip()
        for start in range(0, len(delta), _PIECE):
            if start:
                await trio.lowlevel.checkpoint()  # a whole reply at once: others take their turns meanwhile
            for chunk in self._splitter.feed(self._private.feed(delta[start : start + _PIECE])):
                await self._chunks[0].send(chunk)

    async def play(self, speech: Speech, text: str) -> None:
        """Add audio that says `text`, after everything added so far."""
        await self._send_rest()
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
        await self._send_rest()
        self._chunks[0].close()

    async def _send_rest(self) -> None:
        for chunk in [*self._splitter.feed(self._private.end()), *self._splitter.finish()]:
            await self._chunks[0].send(chunk)

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
                while (slot := await self._next(receive)) is not None:
                    await self._write(slot)
                await self._end_chunk()
                await self._write_trimmed(None, self._trimmer.finish())
        if self._epoch is not None:
            self.speaker.finish(epoch=self._epoch)
            await self.speaker.drained(epoch=self._epoch)
        elif self._failure is not None:
            raise self._failure
        elif not self._slot_count and not self._blank and not self._refused:
            what = "the reply holds nothing that can be spoken"
            raise HandlerError(what, place="handler", remedy="Ask for an answer in words")

    async def _report_played(self) -> None:
        """Report each chunk to the owner when its first audible sample is played."""
        reported = 0
        while True:
            while reported < len(self._spans.all):
                span = self._spans.all[reported]
                if not self.speaker.played_in(span.onset, span.onset + 1):
                    break
                self.owner.mark("first_played")
                self.owner.sounds(span.text)
                reported += 1
            await self.speaker.changed()

    def heard(self) -> Heard:
        """The part of the reply that has been played by now."""
        played = self._spans.heard(self.speaker.played_in)
        return replace(played, complete=played.complete and self._failure is None and not self._refused)

    def heard_s(self) -> float:
        """How many seconds of the reply have been played by now."""
        return self._spans.heard_s(self.speaker.played_in)

    async def _synthesise_all(self, ready: trio.MemorySendChannel[_Slot]) -> None:
        async with trio.open_nursery() as nursery, ready, self._chunks[1]:
            async for chunk in self._chunks[1]:
                if self._refused or self.speaker.away:
                    self._refuse()  # nothing more is requested; the handler may go on, and act
                    continue
                if self._slot_count:
                    await self.owner.committed()
                slot = _slot(chunk) if isinstance(chunk, str) else chunk
                self._slot_count += 1
                await ready.send(slot)
                if isinstance(chunk, str):
                    nursery.start_soon(self._synthesise, slot, name="synthesise a chunk")

    async def _synthesise(self, slot: _Slot) -> None:
        """Fetch the audio of one chunk. If a chunk fails, the error is published and the next chunk goes on."""
        with slot.send, trio.CancelScope() as request:
            self._requests.add(request)
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
            finally:
                self._requests.discard(request)

    def _refuse(self) -> None:
        """The device is gone for long: what is still requested would be paid for, and never heard."""
        self._refused = True
        for request in self._requests:
            request.cancel("the loudspeaker is gone")

    def _publish_failure(self, error: ServiceError | EngineError) -> None:
        if self._failure is None:
            self._failure = error
        self.publish("speech.failed", error=str(error))

    async def _next(self, channel: trio.MemoryReceiveChannel[T]) -> T | None:
        """The next of a channel, None at its end. Meanwhile silence that is held back is written, if the loudspeaker
        would run dry: then it is heard where it belongs, and no sound is late because of it."""
        while True:
            patience_s = float("inf")
            if self._epoch is not None and self._trimmer.held and not self._refused:
                if (lacking_s := RESERVE_S - self.speaker.spare_s) > 0:
                    await self._write_pcm(self._trimmer.take(round((lacking_s + _STEP_S) * self.speaker.rate_hz)))
                patience_s = max(self.speaker.spare_s - RESERVE_S, _STEP_S)
            try:
                with trio.move_on_after(patience_s):
                    return await channel.receive()
            except trio.EndOfChannel:
                return None

    async def _write(self, slot: _Slot) -> None:
        """Write the audio of one chunk to the ring, at the loudspeaker's rate, and note its position there."""
        await self._begin_chunk(slot)
        async with slot.receive:
            while (piece := await self._next(slot.receive)) is not None:
                if piece.usage is not None:
                    self.owner.spent("speak", piece.usage)
                if self._resampler is None or self._resampler.from_hz != piece.rate_hz:
                    await self._flush()
                    self._resampler = Resampler(from_hz=piece.rate_hz, to_hz=self.speaker.rate_hz)
                for pcm in _slices(piece):
                    await self._write_trimmed(slot, self._trimmer.feed(self._resampler.feed(pcm)))
        if not slot.ready:
            await self._end_chunk(slot)
            if self._epoch is not None:
                # The next chunk is a new request: a short one like "Yes." is played without waiting for it.
                self.speaker.enough(epoch=self._epoch)
        if slot.failed and slot.sounded:
            self._spans.break_off()
        elif slot.text and not slot.sounded and not slot.failed:
            self._spans.add_unspoken(slot.text)

    async def _begin_chunk(self, slot: _Slot) -> None:
        last, self._last_slot = self._last_slot, slot
        if last is None or not (last.ready and slot.ready):
            if last is not None and last.ready:
                await self._end_chunk()
            self._trimmer.begin(pause_s(last.text if last else "", slot.text))

    async def _end_chunk(self, slot: _Slot | None = None) -> None:
        """Write the end of `slot`, or of the audio before, and hold back the silence after it."""
        await self._flush(slot)
        await self._write_trimmed(slot, self._trimmer.end())
        self._spans.growing = False

    async def _flush(self, slot: _Slot | None = None) -> None:
        """Write what is left in the resampler: the end of `slot`, or of the audio before."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            await self._write_trimmed(slot, self._trimmer.feed(resampler.feed(b"", last=True)))

    async def _write_trimmed(self, slot: _Slot | None, trimmed: Trimmed) -> None:
        """Write sound of `slot`, or of the last chunk if that is None."""
        if trimmed.own and self._epoch is None:
            self.owner.mark("first_pcm")
            await self.owner.committed()
            self._epoch = self.speaker.epoch
            self.owner.mark("first_write")
        await self._write_pcm(trimmed.before)
        if trimmed.onset is not None and (not self._spans.all or (slot is not None and not slot.sounded)):
            start = self.speaker.written
            self._spans.begin(slot.text if slot else "", start, start + trimmed.onset)
        if slot is not None and trimmed.onset is not None:
            slot.sounded, self._spans.growing = True, not slot.ready
        await self._write_pcm(trimmed.own)

    async def _write_pcm(self, pcm: bytes) -> None:
        """Write sound of the last span."""
        if pcm and self._epoch is not None and not self._refused:
            # Noted before the write: if that is cancelled in the middle, the span must include the samples in the ring.
            self._spans.grow(len(pcm) // SAMPLE_BYTES)
            if not await self.speaker.write(pcm, epoch=self._epoch):
                self._refuse()
