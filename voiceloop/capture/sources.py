"""The sources of a microphone: a sound device, a recording played in real time, or silence."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.audio.portaudio import HOST, Host
from voiceloop.audio.recordings.reading import Reading, open_recording
from voiceloop.capture.device import DeviceInput
from voiceloop.capture.microphone import Item, Microphone
from voiceloop.config.tables import Audio
from voiceloop.events import Publish
from voiceloop.system.paths import expanded
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap, GapReason

_CHANNEL_FRAMES = 50
"""1 s. When the channel is full the sender waits, and the device's blocks gather in the bridge. The bridge holds 30 s,
then drops blocks and counts them."""
_FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES


@asynccontextmanager
async def open_microphone(audio: Audio, publish: Publish, *, host: Host = HOST) -> AsyncIterator[Microphone]:
    """Open `audio.input`, and reopen the device whenever it is lost.

    Raises NoSuchDevice, DeviceBusy, BadAudioFile or DeviceError when the first opening fails.
    """
    # 1 s; when full, the sender waits (see _CHANNEL_FRAMES).
    send, receive = trio.open_memory_channel[Item](_CHANNEL_FRAMES)
    microphone = Microphone(receive, "")
    source: DeviceInput | _File | _Silence
    async with AsyncExitStack() as stack:
        if audio.input == "none":
            source = _Silence(microphone)
        elif audio.input.startswith(FILE_PREFIX):
            path = expanded(audio.input.removeprefix(FILE_PREFIX))
            recording = await stack.enter_async_context(open_recording(path, place="audio.input"))
            source = _File(microphone, recording, publish)
        else:
            source = DeviceInput(microphone, audio, publish, host)
        await source.open()
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(_run, source, send, name="microphone")
        try:
            yield microphone
        finally:
            nursery.cancel_scope.cancel()


async def _run(source: DeviceInput | _File | _Silence, send: trio.MemorySendChannel[Item]) -> None:
    with suppress(trio.BrokenResourceError):  # the receiving end was closed
        await source.run(send)


class _Silence:
    """`none`: open, and never sends a frame."""

    def __init__(self, microphone: Microphone) -> None:
        microphone.description = "none"

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()

    async def run(self, send: trio.MemorySendChannel[Item]) -> None:
        async with send:
            await trio.sleep_forever()


class _File:
    """`file:PATH`: a recording played in real time. Real time is Trio's clock, so tests can use virtual time."""

    def __init__(self, microphone: Microphone, recording: Reading, publish: Publish) -> None:
        self._microphone, self._recording, self._publish = microphone, recording, publish
        self._rest = b""
        """Samples that were read and are not due yet."""
        self._told = ""

    async def open(self) -> None:
        sound = self._recording.sound
        self._tell()
        how = "" if sound.rate_hz == CAPTURE_RATE_HZ else f", {sound.rate_hz} Hz resampled"
        self._microphone.description = f"{sound.name}{how}"
        await trio.lowlevel.checkpoint()

    async def run(self, send: trio.MemorySendChannel[Item]) -> None:
        """Send the recording's frames at the times when they are due.

        It plays on while the microphone is muted, as talk in a room does; those samples are not received.
        """
        microphone, began, played, muted = self._microphone, trio.current_time(), 0, False
        async with send:
            while pcm := await self._next():
                played += len(pcm)
                await trio.sleep_until(began + played / SAMPLE_BYTES / CAPTURE_RATE_HZ)
                if microphone.muted:
                    if not muted:
                        await send.send(Gap(microphone.received, GapReason.MUTED))
                    muted = True
                    continue
                frame = Frame(pcm, microphone.received)
                if muted:
                    muted = False
                    microphone.clock.restart(frame.index)
                microphone.received = frame.end
                microphone.clock.block(frame.end, time.monotonic())
                await send.send(frame)
            self._tell()
            microphone.played = self._recording.sound.name

    async def _next(self) -> bytes:
        """The samples of the next frame; fewer at the end, and then none."""
        while len(self._rest) < _FRAME_BYTES and (pcm := await self._recording.read()):
            self._rest += pcm
        frame, self._rest = self._rest[:_FRAME_BYTES], self._rest[_FRAME_BYTES:]
        return frame

    def _tell(self) -> None:
        """Tell what is wrong with the recording, once."""
        sound = self._recording.sound
        if sound.flaw != self._told:
            self._told = sound.flaw
            self._publish("notice", text=f"audio.input: {sound.name} {sound.flaw}.")
