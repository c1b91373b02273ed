"""A streaming resampler. soxr and NumPy are imported at first use, because they take memory."""

from __future__ import annotations

from voiceloop.audio.pcm import Aligner


class Resampler:
    """Converts int16 mono samples from `from_hz` to `to_hz`. How the stream is cut into chunks doesn't change the
    output as a whole.
    """

    def __init__(self, *, from_hz: int, to_hz: int, quality: str = "HQ") -> None:
        self.from_hz, self.to_hz = from_hz, to_hz
        self._align = Aligner()
        self._stream = None
        if from_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    @property
    def delay(self) -> float:
        """How many samples, counted at `to_hz`, are still inside the resampler."""
        return float(self._stream.delay()) if self._stream is not None else 0.0

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Take the next bytes; return the samples that are ready, or with `last` all that remain.

        An incomplete sample is kept until its other byte comes.
        """
        pcm = self._align.feed(pcm)
        if self._stream is None:
            return pcm
        import numpy as np

        # As floats: for 16-bit output soxr adds dither, which would depend on how the stream is cut.
        out = self._stream.resample_chunk(np.frombuffer(pcm, np.int16).astype(np.float32), last=last)
        samples: bytes = np.clip(np.rint(out), -32768, 32767).astype(np.int16).tobytes()
        return samples


def resample(pcm: bytes, *, from_hz: int, to_hz: int) -> bytes:
    """Return a whole clip (int16, mono) converted from `from_hz` to `to_hz`."""
    return Resampler(from_hz=from_hz, to_hz=to_hz).feed(pcm, last=True)
