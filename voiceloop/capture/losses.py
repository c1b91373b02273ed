"""When to tell the user that sound was lost: more than a trifle, and not again and again. Pure."""

from __future__ import annotations

from voiceloop.types import CAPTURE_RATE_HZ

_TOLD_FROM_S = 0.2
"""Less is a syllable at most."""
_EVERY_S = 60.0


class Losses:
    """Tell it how many samples were lost in all, with `feed`."""

    def __init__(self) -> None:
        self._told = 0
        self._told_at = float("-inf")

    def feed(self, lost: int, now: float) -> float:
        """Return how many seconds were lost since that was told last, if it is to be told now; else 0.

        `lost`: samples at 16 kHz since the start. `now`: seconds.
        """
        new_s = (lost - self._told) / CAPTURE_RATE_HZ
        if new_s < _TOLD_FROM_S or now - self._told_at < _EVERY_S:
            return 0.0
        self._told, self._told_at = lost, now
        return new_s
