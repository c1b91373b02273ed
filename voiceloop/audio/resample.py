"""Changes the rate of a stream of samples, whatever its chunks. soxr and NumPy cost memory: loaded at first use."""

from __future__ import annotations

from voiceloop.audio.pcm import Aligner


class Resampler:
    """int16, mono, `from_hz` to `to_hz`. The output of all chunks together does not depend on how they were cut."""

    def __init__(self, from_hz: int, to_hz: int, *, quality: str = "HQ") -> None:
        self.from_hz, self.to_hz = from_hz, to_hz
        self._align = Aligner()
        self._stream = None
        if from_hz != to_hz:
            import soxr

            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    @property
    def delay(self) -> float:
        """How many samples at `to_hz` are still inside."""
        return float(self._stream.delay()) if self._stream is not None else 0.0

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Give what is ready; with `last`, all that is left. Bytes of half a sample wait for their other half."""
        pcm = self._align.feed(pcm)
        if self._stream is None:
            return pcm
        import numpy as np

        # In floats: for 16 bits soxr adds dither, which differs with every cut.
        out = self._stream.resample_chunk(np.frombuffer(pcm, np.int16).astype(np.float32), last=last)
        samples: bytes = np.clip(np.rint(out), -32768, 32767).astype(np.int16).tobytes()
        return samples


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """A whole clip at another rate."""
    return Resampler(from_hz, to_hz).feed(pcm, last=True)
