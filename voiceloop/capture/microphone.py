"""The microphone as the rest of the program sees it: a bounded channel of frames that survives the loss of a device."""

from __future__ import annotations

import re
from collections.abc import Callable

import trio

from voiceloop.capture.bridge import WakeBatching
from voiceloop.capture.clock import CaptureClock
from voiceloop.capture.digital_silence import DigitalSilence
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap

Item = Frame | Gap

_RATE = re.compile(r", \d+ Hz.*$")
"""The end of a description: how the device is recorded."""
_CALM_BLOCKS = 3
"""Blocks of 20 ms that gather before the loop is woken, while nobody speaks."""


class Microphone:
    """An open microphone (see `open_microphone`). Sample indices count from its opening, at 16 kHz."""

    def __init__(self, frames: trio.MemoryReceiveChannel[Item], description: str) -> None:
        self.frames = frames
        """20 ms frames, and a gap where the device was lost. The channel ends where a file ends."""
        self.description = description
        self.received = 0
        """Samples from the device, at 16 kHz."""
        self.dropped = 0
        """Samples dropped because nobody received frames for 30 s. They are part of `received`."""
        self.overflows = 0
        """How often PortAudio reported that samples were lost before they reached the program."""
        self.missing = ""
        """Why there is no microphone at present, if the sound server has connected something else; empty otherwise."""
        self.played = ""
        """The name of the recording that was played to its end; empty otherwise."""
        self.silence = DigitalSilence()
        self.batching = WakeBatching()
        self.clock = CaptureClock(CAPTURE_RATE_HZ)
        """`clock(index)`: when a sample was captured, in seconds of `time.monotonic`."""
        self.switched: Callable[[], None] = lambda: None
        """Called after the microphone was muted or unmuted."""
        self._unmuted = trio.Event()
        self._unmuted.set()

    @property
    def heard(self) -> str:
        """What is listened to, in words: the name of the device or file in quotation marks, or `nothing`."""
        return "nothing" if self.description == "none" else f'"{_RATE.sub("", self.description)}"'

    def without_speech(self, sent: int) -> str:
        """What to tell of a recording that was played to its end, if `sent`, the samples of speech in it, is 0."""
        return f"audio.input: no speech was found in {self.played}." if self.played and not sent else ""

    @property
    def muted(self) -> bool:
        """Whether the device is closed because the user muted the microphone."""
        return not self._unmuted.is_set()

    def mute(self, *, muted: bool) -> None:
        """Have the device closed (`muted=True`) or opened again; a gap marks the place. Never waits."""
        if muted and not self.muted:
            self._unmuted = trio.Event()
        elif self.muted and not muted:
            self._unmuted.set()
        else:
            return
        self.switched()

    def expect(self, *, heard: bool) -> None:
        """Note whether the user expects to be heard: if only digital silence comes then, it is reported."""
        self.silence.expect(heard=heard)

    async def unmuted(self) -> None:
        """Wait until the microphone is not muted."""
        while self.muted:
            await self._unmuted.wait()

    def relax(self, *, calm: bool) -> None:
        """While nobody speaks (`calm`), deliver frames three at a time: waking the loop is half of the CPU time that
        listening takes.
        """
        self.batching.blocks = _CALM_BLOCKS if calm else 1

    @property
    def lost(self) -> int:
        """Samples that the device lost, as the capture clock estimates."""
        return self.clock.lost
