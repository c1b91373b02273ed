"""A sound device as the microphone: opened, watched, and opened again when it is lost or another is meant."""

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
"""A device that calls back every 20 ms and has not for so long is gone."""
_FIRST_BLOCK_S = 2.0
"""A device just opened may take longer: Bluetooth headsets change their profile."""
_CLOSE_S = 0.4
"""How long a close may hold up the end of the program; it goes on in its thread, or not."""

_NO_LOSS = frozenset({GapReason.MUTED, GapReason.DEVICES_CHANGED, GapReason.DEFAULT_CHANGED})
"""Gaps that are wanted: the device is not lost."""


class DeviceInput:
    """What `open_microphone` hears a device by."""

    def __init__(self, microphone: Microphone, audio: Audio, publish: Publish, host: Host) -> None:
        self._microphone, self._publish, self._host = microphone, publish, host
        self._request = Request("input", audio.input, CAPTURE_RATE_HZ, audio.input_latency)
        self._framer = Framer(microphone.clock)
        self._wake = Wake()
        self._stream: Stream | None = None
        self._bridge = Bridge(self._wake, microphone.haste)
        self._away = False
        self._interrupted = False
        self._default = ""
        """The default loudspeaker's monitor, if it was told since the device was opened."""
        self._monitor = ""
        """The one that was opened last, as far as its name is known."""
        self._pauses = pauses()
        self._name = "input"

    async def open(self) -> None:
        """Open the device or raise; afterwards its loss is no error any more."""
        await self._open(open_first)
        token = trio.lowlevel.current_trio_token()
        # Two may be open, as when captions listen to a call: what you say, and what the computer plays.
        self._name = "input" if "input" not in self._host.on_stale else "second input"
        self._host.on_stale[self._name] = lambda: token.run_sync_soon(self._interrupt, idempotent=True)
        self._microphone.switched = self._wake.set

    async def _open(self, opener: Callable[..., Awaitable[Stream]]) -> None:
        bridge = Bridge(self._wake, self._microphone.haste)
        self._default = ""  # before it is asked for: what is told from now on may be newer than what is opened
        try:
            stream = await opener(self._request, bridge.callback, bridge.on_finished, host=self._host)
        except BaseException:
            bridge.retired = True  # the thread may yet open the stream, and its callback must not wake us then
            raise
        self._stream, self._bridge = stream, bridge
        self._framer.restart(rate_hz=stream.rate_hz, channels=stream.channels)
        self._microphone.description = _describe(stream)
        self._monitor = stream.monitor or self._monitor

    async def run(self, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        async with private_nursery() as nursery:
            if self._stream is not None and self._stream.monitor is not None:
                nursery.start_soon(follow_default, self._told_default)
            await self._run(send)

    async def _run(self, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        try:
            async with send:
                while True:
                    reason = await self._pump(send)
                    await self._lose(reason, send)
                    await self._reopen()
        finally:
            self._microphone.switched = lambda: None
            self._host.on_stale.pop(self._name, None)
            self._bridge.retired = True
            with trio.move_on_after(_CLOSE_S, shield=True):
                await self._close()
                self._wake.close()  # only after the stream, whose callback writes there

    def _interrupt(self) -> None:
        """The loudspeaker needs a new device list, for which all streams must be closed for a moment."""
        self._interrupted = True
        self._wake.set()

    def _told_default(self, monitor: str) -> None:
        self._default = monitor
        self._microphone.switched()  # not the wake itself: that may be closed by now

    @property
    def _elsewhere(self) -> bool:
        """Whether what the computer plays can't be heard here any more."""
        opened = self._stream.monitor if self._stream is not None else None
        return opened is not None and self._default not in {"", opened}

    async def _pump(self, send: trio.MemorySendChannel[Frame | Gap]) -> GapReason:
        """Hand frames on until the device is lost; returns why."""
        bridge, patience_s = self._bridge, _FIRST_BLOCK_S
        while True:
            # One scope whose deadline moves: a new one for each of 50 wakes a second costs more than the rest.
            with trio.move_on_after(patience_s) as patience:
                while not (bridge.finished or self._interrupted or self._microphone.muted or self._elsewhere):
                    await self._wake.wait()
                    await self._hand_on(bridge, send, patience)
            fresh = bool(bridge.blocks)  # the loop was late, not the device; or one block that wakes nobody
            await self._hand_on(bridge, send, patience)
            if self._microphone.muted:
                return GapReason.MUTED
            if bridge.finished:
                return GapReason.LOST
            if self._interrupted:
                self._interrupted = False
                return GapReason.DEVICES_CHANGED
            if self._elsewhere:
                return GapReason.DEFAULT_CHANGED
            patience_s = bridge.last_arrival + SILENT_S - time.monotonic()
            if not fresh or patience_s <= 0:
                return GapReason.SILENT

    async def _hand_on(
        self, bridge: Bridge, send: trio.MemorySendChannel[Frame | Gap], patience: trio.CancelScope
    ) -> None:
        """Fetch what is there. Only waiting for the device is limited in time, not waiting for who listens."""
        if bridge.blocks:
            self._back()
        while bridge.blocks:
            items = self._framer.take(bridge.blocks.popleft())
            self._count(bridge)
            for item in items:
                try:
                    send.send_nowait(item)
                except trio.WouldBlock:
                    patience.deadline = math.inf
                    await send.send(item)
        patience.deadline = trio.current_time() + SILENT_S

    def _count(self, bridge: Bridge) -> None:
        self._microphone.received, self._microphone.dropped = self._framer.received, self._framer.dropped
        self._microphone.overflows += bridge.overflows
        bridge.overflows = 0

    async def _lose(self, reason: GapReason, send: trio.MemorySendChannel[Frame | Gap]) -> None:
        self._bridge.retired = True
        if not self._away:
            self._pauses = pauses()
        if reason not in _NO_LOSS:
            self._tell_lost(reason)
        for item in self._framer.flush(reason):
            await send.send(item)

    def _tell_lost(self, reason: str) -> None:
        if not self._away:
            self._away = True
            self._publish("device.lost", device=self._microphone.description, which="microphone", reason=reason)

    def _back(self) -> None:
        if self._away:
            self._away = False
            self._publish("device.back", device=self._microphone.description, which="microphone")

    async def _reopen(self) -> None:
        """Close and open again, for as long as it takes. It is back only when it gives sound (`_pump`)."""
        await self._close()
        for pause_s in self._pauses:
            await self._microphone.unmuted()
            await trio.sleep(pause_s)
            before = self._monitor
            try:
                await self._open(open_stream)
            except VoiceloopError as error:
                self._tell_lost(str(error))
                continue
            if self._monitor != before:
                name = self._monitor.removesuffix(".monitor")
                self._publish("notice", text=f"audio.input: the computer plays by {name!r} now: that is heard.")
            return

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_stream(stream, host=self._host)


def _describe(stream: Stream) -> str:
    how = "" if stream.rate_hz == CAPTURE_RATE_HZ else f" resampled to {CAPTURE_RATE_HZ} Hz"
    mixed = "" if stream.channels == 1 else f", {stream.channels} channels mixed"
    return f"{stream.device.label}, {stream.rate_hz} Hz{how}{mixed}"
