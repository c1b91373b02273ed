"""A sound device as the microphone's source: opened, watched, and reopened when it is lost or another one is meant."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

import trio

from voiceloop.audio.following import follow_server
from voiceloop.audio.portaudio import Host
from voiceloop.audio.raw_streams import Request, Stream
from voiceloop.audio.sound_server import DUMMY_MONITOR, Answer
from voiceloop.audio.streams import ONCE_MORE_S, close_stream, open_first, open_stream, pauses
from voiceloop.audio.wake import Wake
from voiceloop.capture.bridge import Bridge
from voiceloop.capture.connection import Connection
from voiceloop.capture.framing import Framer
from voiceloop.capture.losses import Losses
from voiceloop.capture.microphone import Microphone
from voiceloop.config.tables import Audio
from voiceloop.errors import VoiceloopError
from voiceloop.events import Publish
from voiceloop.nursery import private_nursery
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason

SILENT_S = 0.5
"""A device calls back every 20 ms. One that has not called back for this long is lost."""
_FIRST_BLOCK_S = 2.0
"""The limit for a device's first block, which may take longer: Bluetooth headsets change their profile first."""
_CLOSE_S = 0.4
"""How long the program's end waits for the device to close. After that the close is abandoned in its thread."""

_INTENDED = frozenset({GapReason.MUTED, GapReason.DEVICES_CHANGED, GapReason.DEFAULT_CHANGED})
"""Reasons for gaps that are made on purpose: the device is not lost."""


class DeviceInput:
    """Reads a sound device for `open_microphone`, and reopens it for as long as the program runs."""

    def __init__(self, microphone: Microphone, audio: Audio, publish: Publish, host: Host) -> None:
        self._microphone, self._publish, self._host = microphone, publish, host
        self._request = Request("input", audio.input, CAPTURE_RATE_HZ, audio.input_latency)
        self._framer = Framer(microphone.clock)
        self._losses = Losses()
        self._wake = Wake()
        self._stream: Stream | None = None
        self._bridge = Bridge(self._wake, microphone.batching)
        self._unsent: deque[Frame | Gap] = deque()
        """What was framed and not sent yet. It is kept where the wait for the receiver is cancelled."""
        self._lost = False
        """The loss of the device was reported, and its return was not yet."""
        self._interrupted = False
        self._connection = Connection(audio.input)
        self._answered = trio.Event()
        """Set at the sound server's next answer."""
        self._monitor = ""
        """The monitor of a real loudspeaker that was opened last, if its name is known."""
        self._pauses = pauses()
        self._name = "input"

    async def open(self) -> None:
        """Open the device or raise. After this, losing the device is not an error: it is reopened."""
        await self._open(open_first)
        token = trio.lowlevel.current_trio_token()
        # Two inputs may be open, as when captions listen to a call: the microphone, and what the computer plays.
        self._name = "input" if "input" not in self._host.on_stale else "second input"
        self._host.on_stale[self._name] = lambda: token.run_sync_soon(self._interrupt, idempotent=True)
        self._microphone.switched = self._wake.set

    async def _open(self, opener: Callable[..., Awaitable[Stream]]) -> None:
        bridge = Bridge(self._wake, self._microphone.batching)
        try:
            stream = await opener(self._request, bridge.callback, bridge.on_finished, host=self._host)
        except BaseException:
            bridge.retired = True  # the thread may still open the stream; its callback must do nothing then
            raise
        self._stream, self._bridge = stream, bridge
        self._connection.opened(stream)
        self._framer.restart(rate_hz=stream.rate_hz, channels=stream.channels)
        self._microphone.description = _describe(stream)
        if stream.monitor and stream.monitor != DUMMY_MONITOR:
            self._monitor = stream.monitor

    async def run(self, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        async with private_nursery() as nursery:
            if self._host.on_server:
                nursery.start_soon(follow_server, self._on_answer, name="sound server")
            await self._run(send)

    async def _run(self, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        try:
            async with send:
                while True:
                    reason = await self._pump(send)
                    await self._end_stream(reason, send)
                    await self._reopen()
        finally:
            self._microphone.switched = lambda: None
            self._host.on_stale.pop(self._name, None)
            self._bridge.retired = True
            with trio.move_on_after(_CLOSE_S, shield=True):
                await self._close()
                self._wake.close()  # only after the stream is closed, because its callback writes to it

    def _interrupt(self) -> None:
        """Close the stream for a moment: the loudspeaker needs a new device list, which requires all streams closed."""
        self._interrupted = True
        self._wake.set()

    def _on_answer(self, answer: Answer) -> None:
        """Take what the sound server says about its devices and this program's streams."""
        if notice := self._connection.update(answer):
            self._publish("notice", text=notice)
        self._answered.set()
        self._answered = trio.Event()
        if self._connection.missing or self._connection.moved:
            self._microphone.switched()  # not `_wake.set`: `_wake` may be closed by now

    @property
    def _elsewhere(self) -> bool:
        """Whether the stream records something else than is wanted."""
        return bool(self._connection.missing) or self._connection.moved

    async def _pump(self, send: trio.MemorySendChannel[Frame | Gap]) -> GapReason:
        """Send frames until the stream has to end; return the reason."""
        bridge, patience_s, once_more = self._bridge, _FIRST_BLOCK_S, False
        while True:
            # One scope whose deadline moves: a new scope for each of 50 wakes a second costs more than all the rest.
            with trio.move_on_after(patience_s) as patience:
                while not (bridge.finished or self._interrupted or self._microphone.muted or self._elsewhere):
                    await self._wake.wait()
                    await self._send_blocks(bridge, send, patience)
            # Blocks at this point: the loop was late, not the device; or too few blocks came to wake the loop.
            await self._send_blocks(bridge, send, patience)
            if self._microphone.muted:
                return GapReason.MUTED
            if bridge.finished:
                return GapReason.LOST
            if self._interrupted:
                self._interrupted = False
                return GapReason.DEVICES_CHANGED
            if self._connection.missing:
                return GapReason.NO_MICROPHONE
            if self._connection.moved:
                return GapReason.DEFAULT_CHANGED
            # Also where the wait ran out in the same moment as a block came, and the block was sent.
            patience_s = bridge.last_arrival + SILENT_S - time.monotonic()
            silent = patience_s <= 0
            if silent and once_more:
                return GapReason.SILENT
            once_more = silent
            if once_more:
                patience_s = ONCE_MORE_S

    async def _send_blocks(
        self, bridge: Bridge, send: trio.MemorySendChannel[Frame | Gap], patience: trio.CancelScope
    ) -> None:
        """Send all waiting blocks as frames. `patience` limits the wait for the device, not the wait for the receiver
        of the frames, so its deadline is lifted meanwhile.
        """
        if bridge.blocks:
            self._report_back()
        while self._unsent or bridge.blocks:
            # Where `patience` ended while the loop was stalled, this wait is cancelled, and taken up again later.
            while self._unsent:
                try:
                    send.send_nowait(self._unsent[0])
                except trio.WouldBlock:
                    patience.deadline = math.inf
                    await send.send(self._unsent[0])
                self._unsent.popleft()
            if bridge.blocks:
                block = bridge.blocks.popleft()
                if self._microphone.silence.feed(block.pcm) and self._stream and self._stream.monitor is None:
                    self._report_silence()
                self._unsent.extend(self._framer.take(block))
                self._update_counts(bridge)
        patience.deadline = trio.current_time() + SILENT_S

    def _update_counts(self, bridge: Bridge) -> None:
        self._microphone.received, self._microphone.dropped = self._framer.received, self._framer.dropped
        self._microphone.overflows += bridge.overflows
        bridge.overflows = 0
        if lost_s := self._losses.feed(self._microphone.lost + self._microphone.dropped, time.monotonic()):
            text = (
                f"audio.input: {lost_s:.1f} s of sound were lost before they reached the program. The machine is too "
            )
            self._publish("notice", text=f"{text}busy, or the sound server was held up: words may be missing.")

    async def _end_stream(self, reason: GapReason, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        self._bridge.retired = True
        if not self._lost:
            self._pauses = pauses()
        self._microphone.missing = self._connection.missing
        if reason not in _INTENDED:
            self._report_lost(self._microphone.missing or reason)
        for item in self._framer.flush(reason):
            await send.send(item)

    def _report_lost(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._publish("device.lost", device=self._microphone.description, which="microphone", reason=reason)

    def _report_back(self) -> None:
        if self._lost:
            self._lost = False
            self._publish("device.back", device=self._microphone.description, which="microphone")

    def _report_silence(self) -> None:
        text = f"audio.input: only digital silence comes from {self._microphone.heard}. Is it switched off, muted, or "
        self._publish("notice", text=f"{text}the wrong device? 'voiceloop devices' lists them.")

    async def _reopen(self) -> None:
        """Close the device, and try to open it until that succeeds. Its return is reported with its first sound."""
        await self._close()
        for pause_s in self._pauses:
            await self._microphone.unmuted()
            await self._microphone_there()
            await trio.sleep(pause_s)
            before = self._monitor
            try:
                await self._open(open_stream)
            except VoiceloopError as error:
                self._report_lost(str(error))
                continue
            if self._monitor != before:
                name = self._connection.loudspeaker(self._monitor)
                text = f"audio.input: the default loudspeaker is now {name!r}: listening to what it plays."
                self._publish("notice", text=text)
            return

    async def _microphone_there(self) -> None:
        """If there was no microphone, wait until there is one, or until nothing is known of them any more."""
        while self._microphone.missing and self._connection.awaited:
            await self._answered.wait()
        self._microphone.missing = ""

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_stream(stream, host=self._host)


def _describe(stream: Stream) -> str:
    how = "" if stream.rate_hz == CAPTURE_RATE_HZ else f" resampled to {CAPTURE_RATE_HZ} Hz"
    mixed = "" if stream.channels == 1 else f", {stream.channels} channels mixed"
    return f"{stream.device.label}, {stream.rate_hz} Hz{how}{mixed}"
