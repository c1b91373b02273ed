"""The sources of a microphone: a sound device, a WAV file played in real time, or silence."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.audio.portaudio import HOST, Host
from voiceloop.audio.wav import read_wav
from voiceloop.capture.device import DeviceInput
from voiceloop.capture.microphone import Item, Microphone
from voiceloop.config.tables import Audio
from voiceloop.events import Publish
from voiceloop.system.paths import expanded
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap, GapReason

_CHANNEL_FRAMES = 50
"""1 s. When the channel is full the sender waits, and the device's blocks gather in the bridge. The bridge holds 30 s,
then drops blocks and counts them."""


@asynccontextmanager
async def open_microphone(audio: Audio, publish: Publish, *, host: Host = HOST) -> AsyncIterator[Microphone]:
    """Open `audio.input`, and reopen the device whenever it is lost.

    Raises NoSuchDevice, DeviceBusy, BadAudioFile or DeviceError when the first opening fails.
    """
    # 1 s; when full, the sender waits (see _CHANNEL_FRAMES).
    send, receive = trio.open_memory_channel[Item](_CHANNEL_FRAMES)
    microphone = Microphone(receive, "")
    source: DeviceInput | _File | _Silence
    if audio.input == "none":
        source = _Silence(microphone)
    elif audio.input.startswith(FILE_PREFIX):
        source = _File(microphone, expanded(audio.input.removeprefix(FILE_PREFIX)), publish)
    else:
        source = DeviceInput(microphone, audio, publish, host)
    await source.open()
    async with trio.open_nursery() as nursery:
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
    """`file:PATH`: a WAV file played in real time. Real time is Trio's clock, so tests can use virtual time."""

    def __init__(self, microphone: Microphone, path: Path, publish: Publish) -> None:
        self._microphone, self._path, self._publish = microphone, path, publish
        self._pcm = b""

    async def open(self) -> None:
        """Read the whole file, in the loop's own thread: Trio's autojump clock doesn't wait for other threads, and
        16 kHz mono is only 2 MB a minute.
        """
        wav = read_wav(self._path, place="audio.input")
        if wav.flaw:
            self._publish("notice", text=f"audio.input: {self._path} {wav.flaw}.")
        self._pcm = wav.at(CAPTURE_RATE_HZ)
        how = "" if wav.rate_hz == CAPTURE_RATE_HZ else f", {wav.rate_hz} Hz resampled"
        self._microphone.description = f"{self._path}{how}"
        await trio.lowlevel.checkpoint()

    async def run(self, send: trio.MemorySendChannel[Item]) -> None:
        """Send the file's frames at the times when they are due.

        The file plays on while the microphone is muted, as talk in a room does; those samples are not received.
        """
        microphone, began, muted = self._microphone, trio.current_time(), False
        async with send:
            for at in range(0, len(self._pcm), FRAME_SAMPLES * SAMPLE_BYTES):
                pcm = self._pcm[at : at + FRAME_SAMPLES * SAMPLE_BYTES]
                await trio.sleep_until(began + (at + len(pcm)) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
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
