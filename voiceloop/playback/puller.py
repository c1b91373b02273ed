"""PortAudio's callback for the loudspeaker: fills each block from the ring, and wakes the loop. Knows no task."""

from __future__ import annotations

from typing import Any

from voiceloop.audio.resample import Resampler
from voiceloop.audio.wake import Wake
from voiceloop.playback.ring import Ring
from voiceloop.playback.tap import Tap
from voiceloop.types import SAMPLE_BYTES

_BLOCKS_PER_S = 100


class Puller:
    """The callback of one stream. Until it is `retired`, nothing else reads from the ring."""

    def __init__(self, wake: Wake, tap: Tap | None = None) -> None:
        self.pulls = 0
        self.finished = False
        """PortAudio has ended the stream by itself."""
        self.retired = False
        """Set by the loop when it gives up the stream: if its callback is ever called again, it puts out silence."""
        self._wake = wake
        self._tap = tap
        self._rate_hz = 0
        self._channels = 1
        self._source: Ring | _Converted | None = None

    def attach(self, ring: Ring, *, rate_hz: int, channels: int) -> None:
        """Play from `ring`, for a device that runs at `rate_hz`. Before this call blocks are silent."""
        self._channels, self._rate_hz = channels, rate_hz
        if self._tap is not None:
            self._tap.begin(rate_hz)
        self._source = ring if rate_hz == ring.rate_hz else _Converted(ring, rate_hz)

    def callback(self, out: Any, frames: int, times: Any, status: Any) -> None:
        """Fill a block. Runs in PortAudio's thread: a few µs, no lock, no exception, no memory that grows."""
        view = memoryview(out).cast("B")
        if self.retired or self._source is None:
            view[:] = bytes(len(view))
            return
        if status.output_underflow and self._tap is not None:
            self._tap.begin(self._rate_hz)
        mono = view if self._channels == 1 else memoryview(bytearray(frames * SAMPLE_BYTES))
        self._source.read_into(mono)
        if self._tap is not None:
            self._tap.put(mono)
        if self._channels > 1:
            samples = view.cast("h")
            for channel in range(self._channels):
                samples[channel :: self._channels] = mono.cast("h")
        self.pulls += 1
        self._wake.set()

    def on_finished(self) -> None:
        if not self.retired:
            self.finished = True
            self._wake.set()


class _Converted:
    """The ring at another rate: for a device that was lost, came back, and no longer accepts its old rate."""

    def __init__(self, ring: Ring, rate_hz: int) -> None:
        self._ring = ring
        self._resampler = Resampler(from_hz=ring.rate_hz, to_hz=rate_hz)
        self._block = memoryview(bytearray(ring.rate_hz // _BLOCKS_PER_S * SAMPLE_BYTES))
        self._ready = b""

    def read_into(self, out: memoryview) -> None:
        while len(self._ready) < len(out):
            self._ring.read_into(self._block)
            self._ready += self._resampler.feed(bytes(self._block))
        out[:] = self._ready[: len(out)]
        self._ready = self._ready[len(out) :]
