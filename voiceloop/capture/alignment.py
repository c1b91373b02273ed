"""Gives the output of a step that lags behind its input the numbers of the samples that it was made of. Pure."""

from __future__ import annotations

from voiceloop.types import SAMPLE_BYTES, Frame


class Alignment:
    """Call it with each output (int16, mono), which is `delay` samples late: it returns it as a frame, if any."""

    def __init__(self, delay: int) -> None:
        self._delay = self.skip = delay
        """`skip`: samples to drop from the output, since they lie before the beginning of the input."""
        self.next = 0
        """The next sample to return."""

    def begin(self, index: int) -> None:
        """The input begins anew at `index`."""
        self.next, self.skip = index, self._delay

    def __call__(self, pcm: bytes) -> list[Frame]:
        skipped = min(self.skip, len(pcm) // SAMPLE_BYTES)
        self.skip -= skipped
        pcm = pcm[skipped * SAMPLE_BYTES :]
        if not pcm:
            return []
        frame = Frame(pcm, self.next)
        self.next = frame.end
        return [frame]
