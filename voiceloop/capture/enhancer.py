"""The step that makes the microphone's sound clearer: noise suppression and gain control, 10 ms at a time. Pure.

It comes after the echo canceller, which must hear the room as it is. What is done to the sound is a function given to
it (`echo/webrtc_apm.py`). Each sample comes out once, in order, under its own index.
"""

from __future__ import annotations

from collections.abc import Callable

from voiceloop.capture.alignment import Alignment
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Gap

_STEP_BYTES = CAPTURE_RATE_HZ // 100 * SAMPLE_BYTES


class Enhancer:
    """`process` takes and returns 10 ms (int16, mono, 16 kHz); its output is `delay` samples late."""

    def __init__(self, process: Callable[[bytes], bytes], delay: int) -> None:
        self._process, self._aligned = process, Alignment(delay)
        self._end = 0  # just past the last sample taken
        self._rest = b""  # samples taken and not processed: less than a step

    def take(self, item: Frame | Gap) -> list[Frame | Gap]:
        """Take a frame or gap; return the frames that are ready, and before a gap all that remain."""
        if isinstance(item, Gap):
            return [*self.flush(), item]
        items: list[Frame | Gap] = []
        if item.index != self._end:
            items += self.flush()
            self._begin(item.index)
        self._end = item.end
        self._rest += item.pcm
        return items + self._aligned(self._processed())

    def flush(self) -> list[Frame]:
        """Return all samples that are still delayed."""
        remaining = self._end - self._aligned.next
        if not remaining:
            return []
        wanted = (self._aligned.skip + remaining) * SAMPLE_BYTES
        self._rest += bytes(wanted + _STEP_BYTES)
        frames = self._aligned(self._processed()[:wanted])
        self._begin(self._end)
        return frames

    def _begin(self, index: int) -> None:
        """The samples from `index` on are not contiguous with those before."""
        self._end, self._rest = index, b""
        self._aligned.begin(index)

    def _processed(self) -> bytes:
        complete = len(self._rest) - len(self._rest) % _STEP_BYTES
        steps, self._rest = self._rest[:complete], self._rest[complete:]
        return b"".join([self._process(steps[at : at + _STEP_BYTES]) for at in range(0, complete, _STEP_BYTES)])
