"""The last seconds that the microphone heard, as the acoustic judge is given them. Pure.

    |<------------------------ 8 s ------------------------>|
    | room ... earlier speech ... room | speech             |
                                                    voice's end  + QUIET

The program and `scripts/bench endpoint` both take the window from here: what fills it moves the judge's scores, and the
coefficients in `judgement.py` hold for this window only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voiceloop.audio.tape import Tape
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 8 * CAPTURE_RATE_HZ
QUIET = CAPTURE_RATE_HZ * 64 // 1000
"""The quiet at the window's end. A VAD's voice lasts some 50 ms longer than the voice itself, so it is about 115 ms:
with more of it the judge tells ends from pauses worse."""
_SPARE = CAPTURE_RATE_HZ
"""Kept beyond the window, which ends before the latest sample."""


class RecentSound:
    """Holds the last 9 s. Sound before the first sample, and that was not listened to, is digital silence."""

    def __init__(self) -> None:
        self._tape = Tape()

    def hear(self, frame: Frame, *, muted: bool = False) -> None:
        """Take the next frame. One that doesn't follow on the last one begins anew."""
        if frame.index != self._tape.end:
            self._tape = Tape(frame.index)
        self._tape.append(bytes(len(frame.pcm)) if muted else frame.pcm)
        self._tape.forget_before(self._tape.end - WINDOW - _SPARE)

    def before(self, pause: int) -> NDArray[np.float32]:
        """The window of a pause that began at the sample `pause`: float32, -1 to 1, shape (WINDOW,)."""
        import numpy as np

        end = min(pause + QUIET, self._tape.end)
        pcm = self._tape.between(max(end - WINDOW, self._tape.start), end)
        window = np.zeros(WINDOW, np.float32)
        if pcm:
            window[-(len(pcm) // SAMPLE_BYTES) :] = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        return window
