"""A sound device as the microphone's source: opened, watched, and reopened when it is lost or another one is meant."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable

import trio

from voiceloop.audio.following import follow_default
from voiceloop.audio.portaudio import Host, Request, Stream
from voiceloop.audio.streams import close_stream, open_first, open_stream, pauses
from voiceloop.audio.wake import Wake
from voiceloop.capture.bridge import Bridge
from voiceloop.capture.framing import Framer
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
        self._wake = Wake()
        self._stream: Stream | None = None
        self._bridge = Bridge(self._wake, microphone.batching)
        self._lost = False
        """The loss of the device was reported, and its return was not yet."""
        self._interrupted = False
        self._default = ""
        """The default loudspeaker's monitor, if the sound server has named it since the device was opened."""
        self._monitor = ""
        """The monitor that was opened last, if its name is known."""
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
        self._default = ""  # cleared before opening: a default named from now on may be newer than the opened one
        try:
            stream = await opener(self._request, bridge.callback, bridge.on_finished, host=self._host)
        except BaseException:
            bridge.retired = True  # the thread may still open the stream; its callback must do nothing then
            raise
        self._stream, self._bridge = stream, bridge
        self._framer.restart(rate_hz=stream.rate_hz, channels=stream.channels)
        self._microphone.description = _describe(stream)
        self._monitor = stream.monitor or self._monitor

    async def run(self, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        async with private_nursery() as nursery:
            if self._stream is not None and self._stream.monitor is not None:
                nursery.start_soon(follow_default, self._set_default, name="default loudspeaker")
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

    def _set_default(self, monitor: str) -> None:
        self._default = monitor
        self._microphone.switched()  # not `_wake.set`: `_wake` may be closed by now

    @property
    def _default_changed(self) -> bool:
        """Whether another loudspeaker is the default now, so that this device no longer records what is played."""
        opened = self._stream.monitor if self._stream is not None else None
        return opened is not None and self._default not in {"", opened}

    async def _pump(self, send: trio.MemorySendChannel[Frame | Gap]) -> GapReason:
        """Send frames until the stream has to end; return the reason."""
        bridge, patience_s = self._bridge, _FIRST_BLOCK_S
        while True:
            # One scope whose deadline moves: a new scope for each of 50 wakes a second costs more than all the rest.
            with trio.move_on_after(patience_s) as patience:
                while not (bridge.finished or self._interrupted or self._microphone.muted or self._default_changed):
                    await self._wake.wait()
                    await self._send_blocks(bridge, send, patience)
            # Blocks at this point: the loop was late, not the device; or too few blocks came to wake the loop.
            fresh = bool(bridge.blocks)
            await self._send_blocks(bridge, send, patience)
            if self._microphone.muted:
                return GapReason.MUTED
            if bridge.finished:
                return GapReason.LOST
            if self._interrupted:
                self._interrupted = False
                return GapReason.DEVICES_CHANGED
            if self._default_changed:
                return GapReason.DEFAULT_CHANGED
            patience_s = bridge.last_arrival + SILENT_S - time.monotonic()
            if not fresh or patience_s <= 0:
                return GapReason.SILENT

    async def _send_blocks(
        self, bridge: Bridge, send: trio.MemorySendChannel[Frame | Gap], patience: trio.CancelScope
    ) -> None:
        """Send all waiting blocks as frames. `patience` limits the wait for the device, not the wait for the receiver
        of the frames, so its deadline is lifted meanwhile.
        """
        if bridge.blocks:
            self._report_back()
        while bridge.blocks:
            items = self._framer.take(bridge.blocks.popleft())
            self._update_counts(bridge)
            for item in items:
                try:
                    send.send_nowait(item)
                except trio.WouldBlock:
                    patience.deadline = math.inf
                    await send.send(item)
        patience.deadline = trio.current_time() + SILENT_S

    def _update_counts(self, bridge: Bridge) -> None:
        self._microphone.received, self._microphone.dropped = self._framer.received, self._framer.dropped
        self._microphone.overflows += bridge.overflows
        bridge.overflows = 0

    async def _end_stream(self, reason: GapReason, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        self._bridge.retired = True
        if not self._lost:
            self._pauses = pauses()
        if reason not in _INTENDED:
            self._report_lost(reason)
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

    async def _reopen(self) -> None:
        """Close the device, and try to open it until that succeeds. Its return is reported with its first sound."""
        await self._close()
        for pause_s in self._pauses:
            await self._microphone.unmuted()
            await trio.sleep(pause_s)
            before = self._monitor
            try:
                await self._open(open_stream)
            except VoiceloopError as error:
                self._report_lost(str(error))
                continue
            if self._monitor != before:
                name = self._monitor.removesuffix(".monitor")
                text = f"audio.input: the default loudspeaker is now {name!r}: listening to what it plays."
                self._publish("notice", text=text)
            return

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_stream(stream, host=self._host)


def _describe(stream: Stream) -> str:
    how = "" if stream.rate_hz == CAPTURE_RATE_HZ else f" resampled to {CAPTURE_RATE_HZ} Hz"
    mixed = "" if stream.channels == 1 else f", {stream.channels} channels mixed"
    return f"{stream.device.label}, {stream.rate_hz} Hz{how}{mixed}"
