"""Opens the loudspeaker: a sound device (reopened when it is lost), a file, or nothing. Each pulls from the ring."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.audio.portaudio import HOST, Host
from voiceloop.audio.raw_streams import Request, Stream
from voiceloop.audio.streams import ONCE_MORE_S, close_stream, open_first, open_stream, pauses
from voiceloop.audio.wake import Wake
from voiceloop.audio.wav import WavWriter
from voiceloop.config.tables import Audio
from voiceloop.errors import VoiceloopError
from voiceloop.events import Publish
from voiceloop.playback.jitter_buffer import JitterBuffer
from voiceloop.playback.puller import Puller
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap
from voiceloop.system.paths import expanded
from voiceloop.types import SAMPLE_BYTES

IDLE_S = 2.0
"""How long a stream that plays silence stays open: it costs as much as one that plays, and opens in about 10 ms."""
CANCELLING_IDLE_S = 30.0
"""The same with an echo canceller: each opening has a different delay, to which the canceller must adapt anew. So the
stream stays open between the replies of one conversation."""
SILENT_S = 0.5
"""A device that has not called back for so long is gone: normally it does every 10 ms."""
AWAY_S = 3.0
"""How long a reply waits for a device that is gone before it is discarded."""
_FIRST_PULL_S = 2.0
"""How long a device may take to begin. PulseAudio's null sink may have rendered 2 s of silence, and plays it first."""
_ANSWER_S = 0.5
_CLOSE_S = 0.4
_BLOCK_S = 0.010
_FILE_PAUSE_S = 0.5
"""How much of the silence between replies is written to a file."""


class _Loss(StrEnum):
    """Why a stream was closed and is opened again."""

    SILENT = "the device no longer takes sound"
    GONE = "the device or the sound server is gone"
    STUCK = "the device does not close"
    NOT_REOPENED = "the device does not open again"
    DEVICES_CHANGED = "the sound devices have changed"
    """No loss: all streams are closed for a moment, because only then can the list of devices be read again."""


@asynccontextmanager
async def open_speaker(
    audio: Audio, publish: Publish, *, tap: Tap | None = None, idle_s: float = IDLE_S, host: Host = HOST
) -> AsyncIterator[Speaker]:
    """Open `audio.output` and keep it open. All that is played is also put into `tap`.

    Raises NoSuchDevice, DeviceBusy or DeviceError when it can't be opened at first.
    """
    sink: _Device | _Paced
    if audio.output == "none" or audio.output.startswith(FILE_PREFIX):
        sink = _Paced(audio, tap)
    else:
        sink = _Device(audio, publish, host, tap, idle_s)
    speaker = await sink.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.run, name="loudspeaker")
        try:
            yield speaker
        finally:
            nursery.cancel_scope.cancel()


def _ring(audio: Audio, rate_hz: int) -> Ring:
    return Ring(round(audio.buffer_s * rate_hz), rate_hz)


def _jitter_buffer(audio: Audio) -> JitterBuffer:
    return JitterBuffer(least_s=audio.jitter_buffer_ms / 1000, most_s=audio.jitter_buffer_max_ms / 1000)


class _Paced:
    """The outputs `file:PATH` and `none`: pull in real time by Trio's clock, so that tests can use virtual time."""

    def __init__(self, audio: Audio, tap: Tap | None) -> None:
        self._audio, self._tap = audio, tap
        self._wanted = trio.Event()

    async def open(self) -> Speaker:
        rate_hz, output = self._audio.output_rate_hz, self._audio.output
        self._writer: WavWriter | None = None
        if output != "none":
            output = output.removeprefix(FILE_PREFIX)
            self._writer = WavWriter(expanded(output), rate_hz, place="audio.output")
        self._ring = _ring(self._audio, rate_hz)
        description, jitter_buffer = f"{output}, {rate_hz} Hz", _jitter_buffer(self._audio)
        self._speaker = Speaker(self._ring, latency_s=_BLOCK_S, description=description, jitter_buffer=jitter_buffer)
        self._speaker.on_ready = self._on_ready
        await trio.lowlevel.checkpoint()
        return self._speaker

    def _on_ready(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        try:
            while True:
                await self._wanted.wait()
                await self._play()
        finally:
            if self._writer is not None:
                self._writer.close()

    async def _play(self) -> None:
        """Pull a block every 10 ms, until there has been nothing to play for a while."""
        block = memoryview(bytearray(round(self._ring.rate_hz * _BLOCK_S) * SAMPLE_BYTES))
        due = last = trio.current_time()
        if self._tap is not None:
            self._tap.begin(self._ring.rate_hz)
        while due - last < _FILE_PAUSE_S:
            self._wanted = trio.Event()
            self._ring.read_into(block)
            if self._tap is not None:
                self._tap.put(block)
            if self._writer is not None:
                self._writer.write(block)
            self._speaker.pulled()
            due += _BLOCK_S
            await trio.sleep_until(due)
            if self._speaker.audible or self._wanted.is_set():
                last = due


class _Device:
    """A sound device: opened, watched, closed while idle, and opened again when it is lost.

    `run` alternates between the three:

        _play       pulls, until the stream is idle or lost
        _close_idle closes an idle stream; _open_again opens it when it is needed
        _recover    closes a lost stream, and tries to open it until that works
    """

    def __init__(
        self, audio: Audio, publish: Publish, host: Host, tap: Tap | None = None, idle_s: float = IDLE_S
    ) -> None:
        self._audio, self._publish, self._host, self._tap = audio, publish, host, tap
        self._idle_s = idle_s
        self._sounded = 0
        """`Ring.sounded` when the stream was opened."""
        self._wake = Wake()
        self._wanted = trio.Event()
        self._last_use = 0.0
        self._stream: Stream | None = None
        self._lost_at: float | None = None
        self._pauses = pauses()
        self._puller = Puller(self._wake, self._tap)
        self._prefill = 0
        """At most so many blocks are pulled to fill the stream's buffer, before the device has played any."""
        self._interrupted = False

    async def open(self) -> Speaker:
        """Open the device, or raise. Once it was open, its loss raises no error any more."""
        stream = await self._open(self._audio.output_rate_hz, open_first)
        self._ring = _ring(self._audio, stream.rate_hz)  # the device's rate may differ from the configured one
        self._puller.attach(self._ring, rate_hz=stream.rate_hz, channels=stream.channels)
        latency_s = stream.latency_s + _BLOCK_S
        description, jitter_buffer = _describe(stream), _jitter_buffer(self._audio)
        self._speaker = Speaker(self._ring, latency_s=latency_s, description=description, jitter_buffer=jitter_buffer)
        self._speaker.on_ready, self._speaker.on_use = self._on_ready, self._on_use
        self._on_use()
        token = trio.lowlevel.current_trio_token()
        self._host.on_stale["output"] = lambda: token.run_sync_soon(self._interrupt, idempotent=True)
        return self._speaker

    async def run(self) -> None:
        try:
            while True:
                reason = await self._watch()
                await self._recover(reason)
        finally:
            self._host.on_stale.pop("output", None)
            self._puller.retired = True
            with trio.move_on_after(_CLOSE_S, shield=True):
                await self._close()
                self._wake.close()  # only after the stream, whose callback uses it

    def _on_use(self) -> None:
        self._last_use = trio.current_time()

    def _on_ready(self) -> None:
        self._on_use()
        self._wanted.set()

    def _interrupt(self) -> None:
        """Close and reopen the stream: the microphone needs a new device list, for which no stream may be open."""
        self._interrupted = True
        self._wanted.set()
        self._wake.set()

    async def _watch(self) -> _Loss:
        """Play, and close the stream while idle, until it is lost. Returns why it is lost."""
        while True:
            reason = await self._play()
            if reason is not None:
                return reason
            self._wanted = trio.Event()
            if not await self._close_idle():
                return _Loss.STUCK
            await self._wanted.wait()
            if not await self._open_again():
                return _Loss.NOT_REOPENED

    async def _play(self) -> _Loss | None:
        """Report every pull to the speaker. Returns None when the stream is idle, or why it is lost."""
        puller, pulls, patience_s = self._puller, 0, _FIRST_PULL_S
        while True:
            with trio.move_on_after(patience_s) as waiting:
                await self._wake.wait()
            if puller.pulls != pulls:
                pulls = puller.pulls
                patience_s = SILENT_S if pulls > self._prefill else _FIRST_PULL_S
                self._note_return()
                self._speaker.pulled()
            elif waiting.cancelled_caught:
                if patience_s == ONCE_MORE_S:
                    return _Loss.SILENT
                patience_s = ONCE_MORE_S
                continue
            if puller.finished:
                return _Loss.GONE
            if self._speaker.audible:
                self._last_use = trio.current_time()
            elif self._interrupted:
                self._interrupted = False
                return _Loss.DEVICES_CHANGED
            elif trio.current_time() - self._last_use >= self._patience_s():
                return None

    def _patience_s(self) -> float:
        """How long an idle stream stays open: `idle_s` only if it has played something, because only then
        can there be an echo."""
        return self._idle_s if self._ring.sounded != self._sounded else IDLE_S

    async def _close_idle(self) -> bool:
        """Close an idle stream; returns whether that worked.

        Not merely stop it: PortAudio's start hangs for ever if the sound server was restarted meanwhile.
        """
        self._puller.retired = True
        return await self._close()

    async def _open_again(self) -> bool:
        self._interrupted = False  # the stream was closed, which is all that was asked for
        try:
            with trio.move_on_after(_ANSWER_S) as limit:
                await self._open_for(self._ring)
        except VoiceloopError:
            return False
        return not limit.cancelled_caught

    async def _recover(self, reason: _Loss) -> None:
        """Close a lost stream and open it again, however long that takes. It counts as back when it pulls (`_play`)."""
        self._puller.retired = True
        self._ring.rest()
        self._speaker.pulled()
        if self._lost_at is None:
            self._pauses = pauses()
        if reason is not _Loss.DEVICES_CHANGED and self._lost_at is None:
            self._lost_at = trio.current_time()
            self._publish("device.lost", device=self._speaker.description, which="loudspeaker", reason=str(reason))
        async with trio.open_nursery() as nursery:
            if self._lost_at is not None:
                nursery.start_soon(self._give_up, self._lost_at + AWAY_S, name="giving up a lost loudspeaker")
            await self._close()
            await self._reopen()
            nursery.cancel_scope.cancel()

    async def _give_up(self, deadline: float) -> None:
        """Discard what is buffered at `deadline`: no writer may wait for a device that may never return."""
        await trio.sleep_until(deadline)
        if not self._speaker.away:
            seconds = round(self._ring.pending / self._ring.rate_hz, 1)
            self._speaker.gone(away=True)
            if seconds:
                self._publish("notice", text=f"The loudspeaker is still gone: {seconds} s of the reply were discarded.")

    def _note_return(self) -> None:
        if self._lost_at is not None:
            self._lost_at = None
            self._speaker.gone(away=False)
            self._publish("device.back", device=self._speaker.description, which="loudspeaker")

    async def _reopen(self) -> None:
        for pause_s in self._pauses:
            await trio.sleep(pause_s)
            with suppress(VoiceloopError):
                await self._open_for(self._ring)
                return

    async def _open_for(self, ring: Ring) -> None:
        stream = await self._open(ring.rate_hz, open_stream)
        self._puller.attach(ring, rate_hz=stream.rate_hz, channels=stream.channels)
        self._speaker.description = _describe(stream)
        self._speaker.latency_s = stream.latency_s + _BLOCK_S
        self._sounded = ring.sounded
        self._last_use = trio.current_time()

    async def _open(self, rate_hz: int, opener: Callable[..., Awaitable[Stream]]) -> Stream:
        puller = Puller(self._wake, self._tap)
        request = Request("output", self._audio.output, rate_hz, self._audio.output_latency)
        try:
            stream = await opener(request, puller.callback, puller.on_finished, host=self._host)
        except BaseException:
            puller.retired = True  # the thread may still open the stream, whose callback must then not wake the loop
            raise
        self._stream, self._puller = stream, puller
        self._prefill = 2 * math.ceil(stream.latency_s / _BLOCK_S) + 2
        return stream

    async def _close(self) -> bool:
        """Close the stream, if there is one; returns whether none is left open."""
        stream, self._stream = self._stream, None
        return stream is None or await close_stream(stream, host=self._host)


def _describe(stream: Stream) -> str:
    return f"{stream.device.label}, {stream.rate_hz} Hz"
