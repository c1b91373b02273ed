"""The microphone: a bounded channel of frames that survives the loss of its device."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.audio.portaudio import HOST, Host
from voiceloop.audio.wav import read_wav
from voiceloop.capture.bridge import Haste
from voiceloop.capture.clock import CaptureClock
from voiceloop.capture.device import MUTED, DeviceInput
from voiceloop.config.tables import Audio
from voiceloop.events import Publish
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap

_CALM_BLOCKS = 3
_CHANNEL_FRAMES = 50
"""1 s. When it is full the pump waits, and blocks gather in the bridge: 30 s, then they are dropped and counted."""

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
    source: DeviceInput | _File | _Nothing
    if audio.input == "none":
        source = _Nothing(microphone)
    elif audio.input.startswith(FILE_PREFIX):
        source = _File(microphone, Path(audio.input.removeprefix(FILE_PREFIX)), publish)
    else:
        source = DeviceInput(microphone, audio, publish, host)
    await source.open()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, source, send)
        try:
            yield microphone
        finally:
            nursery.cancel_scope.cancel()


async def _run(source: DeviceInput | _File | _Nothing, send: trio.MemorySendChannel[Item]) -> None:
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
                        await send.send(Gap(microphone.received, MUTED))
                    muted = True
                    continue
                frame = Frame(pcm, microphone.received)
                if muted:
                    muted = False
                    microphone.clock.restart(frame.index)
                microphone.received = frame.end
                microphone.clock.block(frame.end, time.monotonic())
                await send.send(frame)
