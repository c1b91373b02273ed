"""Makes frames and gaps of a device's blocks. Knows no task and no device; time comes in with the blocks."""

from __future__ import annotations

from voiceloop.audio.pcm import mix_down
from voiceloop.audio.resample import Resampler
from voiceloop.capture.bridge import Block
from voiceloop.capture.clock import CaptureClock
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap, GapReason

_FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES


class Framer:
    """Numbers samples at 16 kHz over every reopening of the device, and keeps the ledger of them."""

    def __init__(self, clock: CaptureClock) -> None:
        self.received = 0
        """Samples that came, at 16 kHz, the dropped ones among them: the index of the next one."""
        self.dropped = 0
        self._clock = clock
        self._rest = b""
        self._rate_hz, self._channels = CAPTURE_RATE_HZ, 1
        self._expected = 0
        self._resampler: Resampler | None = None

    def restart(self, *, rate_hz: int, channels: int) -> None:
        """A device was opened that gives `channels` interleaved at `rate_hz`."""
        self._rate_hz, self._channels, self._expected = rate_hz, channels, 0
        self._resampler = Resampler(rate_hz, CAPTURE_RATE_HZ) if rate_hz != CAPTURE_RATE_HZ else None
        self._clock.restart(self.received)

    def take(self, block: Block) -> list[Frame | Gap]:
        """The frames that `block` completes; a gap first where blocks before it were dropped."""
        items: list[Frame | Gap] = []
        if block.start != self._expected:
            items = self.flush(GapReason.STALLED)
            missing = (block.start - self._expected) * CAPTURE_RATE_HZ // self._rate_hz
            self.received += missing
            self.dropped += missing
            items[-1] = Gap(self.received, GapReason.STALLED)
        self._expected = block.start + block.frames
        pcm = mix_down(block.pcm, self._channels)
        inside = 0.0
        if self._resampler is not None:
            pcm = self._resampler.feed(pcm)
            inside = self._resampler.delay
        index = self.received - len(self._rest) // SAMPLE_BYTES
        self.received += len(pcm) // SAMPLE_BYTES
        self._time(block, inside)
        data = self._rest + pcm
        whole = len(data) - len(data) % _FRAME_BYTES
        self._rest = data[whole:]
        items += [
            Frame(data[at : at + _FRAME_BYTES], index + at // SAMPLE_BYTES) for at in range(0, whole, _FRAME_BYTES)
        ]
        return items

    def flush(self, reason: GapReason) -> list[Frame | Gap]:
        """What is left of the last frame, and the gap after it."""
        rest, self._rest = self._rest, b""
        frame = [Frame(rest, self.received - len(rest) // SAMPLE_BYTES)] if rest else []
        return [*frame, Gap(self.received, reason)]

    def _time(self, block: Block, inside: float) -> None:
        adc_end = None
        if block.age_s > 0:
            adc_end = block.arrived - block.age_s + block.frames / self._rate_hz
        self._clock.block(round(self.received + inside), block.arrived, adc_end)
