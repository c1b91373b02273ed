"""Says how long a pause must last before it ends a turn. Pure: knows no audio, clock or device."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.types import CAPTURE_RATE_HZ


def samples(ms: float) -> int:
    """Milliseconds in samples at the capture rate."""
    return round(ms * CAPTURE_RATE_HZ / 1000)


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause to judge, and what is known of the utterance before it. Times are in samples."""

    start: int
    """Just past the last voiced sample."""
    hangover: int
    """How long a pause must last when nothing else is known."""
    voice: int
    """How much voice the utterance has had."""


class Endpointer:
    """Judges each pause by the configured hangover alone, within bounds.

    The segmenter asks again whenever time passes in a pause, so that an answer may change while it lasts: what is
    learned in the meantime (a transcript so far, this speaker's own pauses) may shorten or lengthen it. A shortened
    pause that is already over ends the turn at once.
    """

    def __init__(self, *, shortest_ms: float = 0, longest_ms: float = 60_000) -> None:
        self._shortest = samples(shortest_ms)
        self._longest = samples(longest_ms)

    def hangover(self, pause: Pause) -> int:
        """How many samples of quiet after `pause.start` end the turn."""
        return min(max(pause.hangover, self._shortest), self._longest)
