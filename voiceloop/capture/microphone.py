"""The microphone: a bounded channel of frames that survives the loss of its device."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.audio.portaudio import HOST, Host, Request, Stream
from voiceloop.audio.streams import close_stream, open_first, open_stream, pauses
from voiceloop.audio.wake import Wake
from voiceloop.audio.wav import read_wav
from voiceloop.capture.bridge import Bridge, Haste
from voiceloop.capture.clock import CaptureClock
from voiceloop.capture.framing import Framer
from voiceloop.config.tables import Audio
from voiceloop.errors import VoiceloopError
from voiceloop.events import Publish
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap

_CALM_BLOCKS = 3
SILENT_S = 0.5
"""A device that calls back every 20 ms and has not for so long is gone."""
_FIRST_BLOCK_S = 2.0
"""A device just opened may take longer: Bluetooth headsets change their profile."""
_CLOSE_S = 0.4
"""How long a close may hold up the end of the program; it goes on in its thread, or not."""
_CHANNEL_FRAMES = 50
"""1 s. When it is full the pump waits, and blocks gather in the bridge: 30 s, then they are dropped and counted."""

_CHANGED = "the sound devices have changed"
_MUTED = "muted"

Item = Frame | Gap


class Microphone:
    """What `open_microphone` gives. Sample indices count from its opening, at 16 kHz."""

    def __init__(self, frames: trio.MemoryReceiveChannel[Item], description: str) -> None:
        self.frames = frames
        """20 ms frames, and a gap where the device was lost. Ends where a file ends."""
        self.description = description
        self.received = 0
        """Samples that came from the device, at 16 kHz."""
        self.dropped = 0
        """Those of them that nobody fetched for 30 s."""
        self.overflows = 0
        """How often PortAudio said that samples were lost before they reached us."""
        self.haste = Haste()
        self.clock = CaptureClock(CAPTURE_RATE_HZ)
        """`clock(index)`: when a sample was captured, in seconds of `time.monotonic`."""
        self.switched: Callable[[], None] = lambda: None
        """Called when it was muted or unmuted."""
        self._audible = trio.Event()
        self._audible.set()

    @property
    def muted(self) -> bool:
        """Whether its device is closed because the user wants it so."""
        return not self._audible.is_set()

    def mute(self, *, muted: bool) -> None:
        """Close the device, or open it again; a gap marks where. Never waits."""
        if muted and not self.muted:
            self._audible = trio.Event()
        elif self.muted and not muted:
            self._audible.set()
        else:
            return
        self.switched()

    async def unmuted(self) -> None:
        """Wait until it is not muted."""
        while self.muted:
            await self._audible.wait()

    def relax(self, *, calm: bool) -> None:
        """While it is calm frames may come three at a time: waking the loop is half of what listening costs."""
        self.haste.blocks = _CALM_BLOCKS if calm else 1

    @property
    def lost(self) -> int:
        """Samples that the device itself lost, estimated from the clock."""
        return self.clock.lost


@asynccontextmanager
async def open_microphone(audio: Audio, publish: Publish, *, host: Host = HOST) -> AsyncIterator[Microphone]:
    """Open `audio.input` and keep it open.

    Raises NoSuchDevice, DeviceBusy, BadAudioFile or DeviceError when it can't be opened at first.
    """
    # 1 s; when it is full the sender waits (see _CHANNEL_FRAMES).
    send, receive = trio.open_memory_channel[Item](_CHANNEL_FRAMES)
    microphone = Microphone(receive, "")
    source: _Device | _File | _Nothing
    if audio.input == "none":
        source = _Nothing(microphone)
    elif audio.input.startswith(FILE_PREFIX):
        source = _File(microphone, Path(audio.input.removeprefix(FILE_PREFIX)), publish)
    else:
        source = _Device(microphone, audio, publish, host)
    await source.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, source, send)
        try:
            yield microphone
        finally:
            nursery.cancel_scope.cancel()


async def _run(source: _Device | _File | _Nothing, send: trio.MemorySendChannel[Item]) -> None:
    with suppress(trio.BrokenResourceError):  # nobody listens any more
        await source.run(send)


class _Nothing:
    """`none`: open, and silent for ever."""

    def __init__(self, microphone: Microphone) -> None:
        microphone.description = "none"

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()

    async def run(self, send: trio.MemorySendChannel[Item]) -> None:
        async with send:
            await trio.sleep_forever()


class _File:
    """`file:PATH`: a WAV played in real time by Trio's clock, so that virtual time holds for it."""

    def __init__(self, microphone: Microphone, path: Path, publish: Publish) -> None:
        self._microphone, self._path, self._publish = microphone, path, publish
        self._pcm = b""

    async def open(self) -> None:
        """Read it whole, in the loop: 16 kHz mono is 2 MB a minute, and the autojump clock knows no threads."""
        wav = read_wav(self._path, place="audio.input")
        if wav.flaw:
            self._publish("notice", text=f"audio.input: {self._path} {wav.flaw}.")
        self._pcm = wav.at(CAPTURE_RATE_HZ)
        how = "" if wav.rate_hz == CAPTURE_RATE_HZ else f", {wav.rate_hz} Hz resampled"
        self._microphone.description = f"{self._path}{how}"
        await trio.lowlevel.checkpoint()

    async def run(self, send: trio.MemorySendChannel[Item]) -> None:
        """The file plays on while it is muted, as talk in a room does; nothing of that is received."""
        microphone, began, muted = self._microphone, trio.current_time(), False
        async with send:
            for at in range(0, len(self._pcm), FRAME_SAMPLES * SAMPLE_BYTES):
                pcm = self._pcm[at : at + FRAME_SAMPLES * SAMPLE_BYTES]
                await trio.sleep_until(began + (at + len(pcm)) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
                if microphone.muted:
                    if not muted:
                        await send.send(Gap(microphone.received, _MUTED))
                    muted = True
                    continue
                frame = Frame(pcm, microphone.received)
                if muted:
                    muted = False
                    microphone.clock.restart(frame.index)
                microphone.received = frame.end
                microphone.clock.block(frame.end, time.monotonic())
                await send.send(frame)


class _Device:
    """A sound device: opened, watched, and opened again when it is lost."""

    def __init__(self, microphone: Microphone, audio: Audio, publish: Publish, host: Host) -> None:
        self._microphone, self._publish, self._host = microphone, publish, host
        self._request = Request("input", audio.input, CAPTURE_RATE_HZ, audio.input_latency)
        self._framer = Framer(microphone.clock)
        self._wake = Wake()
        self._stream: Stream | None = None
        self._bridge = Bridge(self._wake, microphone.haste)
        self._away = False
        self._interrupted = False
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
        try:
            stream = await opener(self._request, bridge.callback, bridge.on_finished, host=self._host)
        except BaseException:
            bridge.retired = True  # the thread may yet open the stream, and its callback must not wake us then
            raise
        self._stream, self._bridge = stream, bridge
        self._framer.restart(rate_hz=stream.rate_hz, channels=stream.channels)
        self._microphone.description = _describe(stream)

    async def run(self, send: trio.MemorySendChannel[Item]) -> None:
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

    async def _pump(self, send: trio.MemorySendChannel[Item]) -> str:
        """Hand frames on until the device is lost; returns why."""
        bridge, patience_s = self._bridge, _FIRST_BLOCK_S
        while True:
            # One scope whose deadline moves: a new one for each of 50 wakes a second costs more than the rest.
            with trio.move_on_after(patience_s) as patience:
                while not (bridge.finished or self._interrupted or self._microphone.muted):
                    await self._wake.wait()
                    await self._hand_on(bridge, send, patience)
            fresh = bool(bridge.blocks)  # the loop was late, not the device; or one block that wakes nobody
            await self._hand_on(bridge, send, patience)
            if self._microphone.muted:
                return _MUTED
            if bridge.finished:
                return "the device or the sound server is gone"
            if self._interrupted:
                self._interrupted = False
                return _CHANGED
            patience_s = bridge.last_arrival + SILENT_S - time.monotonic()
            if not fresh or patience_s <= 0:
                return "it gives no sound any more"

    async def _hand_on(self, bridge: Bridge, send: trio.MemorySendChannel[Item], patience: trio.CancelScope) -> None:
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

    async def _lose(self, reason: str, send: trio.MemorySendChannel[Item]) -> None:
        self._bridge.retired = True
        if not self._away:
            self._pauses = pauses()
        if not self._away and reason not in {_CHANGED, _MUTED}:
            self._away = True
            self._publish("device.lost", device=self._microphone.description, which="microphone", reason=reason)
        for item in self._framer.flush(reason):
            await send.send(item)

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
            with suppress(VoiceloopError):
                await self._open(open_stream)
                return

    async def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await close_stream(stream, host=self._host)


def _describe(stream: Stream) -> str:
    how = "" if stream.rate_hz == CAPTURE_RATE_HZ else f" resampled to {CAPTURE_RATE_HZ} Hz"
    mixed = "" if stream.channels == 1 else f", {stream.channels} channels mixed"
    return f"{stream.device.label}, {stream.rate_hz} Hz{how}{mixed}"
