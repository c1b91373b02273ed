"""A VAD by WebRTC's detector (Gaussian mixture models over six bands): nearly free, easily fooled by steady noise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, ClassVar, Self

import webrtcvad
from pydantic import BaseModel, Field

from voiceloop.config.tables import Table
from voiceloop.plugins import Services, Verdict
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_HOP = 320
"""20 ms. The detector takes 10, 20 or 30."""


def open_detector(mode: int) -> Callable[[bytes], bool]:
    """Return a new WebRTC detector: a function that tells whether 10, 20 or 30 ms (int16, mono, 16 kHz) are voice."""
    return partial(webrtcvad.Vad(mode).is_speech, sample_rate=CAPTURE_RATE_HZ)  # type: ignore[no-untyped-call]


class WebRtcOptions(Table):
    mode: Annotated[int, Field(ge=0, le=3)] = 3
    """The detector's strictness, from 0 (takes the most for voice) to 3 (takes the least). 3 misses some of a quiet
    microphone's speech; lower modes take steady hum or hiss for voice that doesn't end."""


class WebRtcVad:
    """Gives one verdict for each 20 ms."""

    Options: ClassVar[type[BaseModel]] = WebRtcOptions

    def __init__(self, options: WebRtcOptions) -> None:
        self._mode = options.mode
        self._detect = open_detector(options.mode)
        self._pending = b""
        self._index = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        assert isinstance(options, WebRtcOptions)
        yield cls(options)

    @property
    def description(self) -> str:
        return f"webrtc (mode {self._mode})"

    def reset(self) -> None:
        """Discard samples not judged yet. The detector keeps its state: what it learned of the room's noise."""
        self._pending = b""

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """See `plugins.Vad`. Samples that are not contiguous with the last ones cause a `reset`."""
        if index != self._index:
            self.reset()
        start = index - len(self._pending) // SAMPLE_BYTES
        self._index = index + len(pcm) // SAMPLE_BYTES
        pending = self._pending + pcm if self._pending else pcm
        verdicts = []
        size = _HOP * SAMPLE_BYTES
        complete = len(pending) - len(pending) % size
        for offset in range(0, complete, size):
            voiced = self._detect(pending[offset : offset + size])
            verdicts.append(Verdict(start, start + _HOP, voiced))
            start += _HOP
        self._pending = pending[complete:]
        return verdicts
