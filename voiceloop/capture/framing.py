"""A framer that turns a device's blocks into numbered 20 ms frames and gaps. Pure: times come in with the blocks."""

from __future__ import annotations

from voiceloop.audio.pcm import mix_down
from voiceloop.audio.resample import Resampler
from voiceloop.capture.bridge import Block
from voiceloop.capture.clock import CaptureClock
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap, GapReason

_FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES


class Framer:
    """Converts blocks to int16 mono frames at 16 kHz, and numbers the samples continuously across device reopenings."""

    def __init__(self, clock: CaptureClock) -> None:
        self.received = 0
        """Samples from the device, at 16 kHz, including the dropped ones. Equals the index of the next sample."""
        self.dropped = 0
        """Samples that the bridge dropped because the loop was too slow."""
        self._clock = clock
        self._partial = b""
        """The beginning of the next frame."""
        self._rate_hz, self._channels = CAPTURE_RATE_HZ, 1
        self._expected_start = 0
        """`start` of the next block, unless blocks were dropped."""
        self._resampler: Resampler | None = None

    def restart(self, *, rate_hz: int, channels: int) -> None:
        """Prepare for the blocks of a newly opened device: `channels` interleaved, at `rate_hz`."""
        self._rate_hz, self._channels, self._expected_start = rate_hz, channels, 0
        self._resampler = Resampler(from_hz=rate_hz, to_hz=CAPTURE_RATE_HZ) if rate_hz != CAPTURE_RATE_HZ else None
        self._clock.restart(self.received)

    def take(self, block: Block) -> list[Frame | Gap]:
        """Return the frames that `block` completes, after a gap if blocks before it were dropped."""
        items: list[Frame | Gap] = []
        if block.start != self._expected_start:
            items = self.flush(GapReason.STALLED)
            missing = (block.start - self._expected_start) * CAPTURE_RATE_HZ // self._rate_hz
            self.received += missing
            self.dropped += missing
            items[-1] = Gap(self.received, GapReason.STALLED)
        self._expected_start = block.start + block.frames
        pcm = mix_down(block.pcm, self._channels)
        resampler_delay = 0.0
        if self._resampler is not None:
            pcm = self._resampler.feed(pcm)
            resampler_delay = self._resampler.delay
        index = self.received - len(self._partial) // SAMPLE_BYTES
        self.received += len(pcm) // SAMPLE_BYTES
        self._update_clock(block, resampler_delay)
        data = self._partial + pcm
        complete = len(data) - len(data) % _FRAME_BYTES
        self._partial = data[complete:]
        items += [
            Frame(data[at : at + _FRAME_BYTES], index + at // SAMPLE_BYTES) for at in range(0, complete, _FRAME_BYTES)
        ]
        return items

    def flush(self, reason: GapReason) -> list[Frame | Gap]:
        """Return the partial frame, if any, as a short frame, and a gap after it."""
        partial, self._partial = self._partial, b""
        frame = [Frame(partial, self.received - len(partial) // SAMPLE_BYTES)] if partial else []
        return [*frame, Gap(self.received, reason)]

    def _update_clock(self, block: Block, resampler_delay: float) -> None:
        adc_end = None
        if block.age_s > 0:
            adc_end = block.arrived - block.age_s + block.frames / self._rate_hz
        # Samples still inside the resampler have arrived as well.
        self._clock.block(round(self.received + resampler_delay), block.arrived, adc_end)
