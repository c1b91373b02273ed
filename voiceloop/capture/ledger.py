"""Where every captured sample went. Counts only; knows no device and no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ledger:
    """Samples received, and what became of them: exactly one of `sent`, `silence`, `muted`, `dropped` or still `held`.

    Sums with `+`, so that each step counts what it decides. `lost` is what the device itself never delivered: an
    estimate from the clock, reported apart and part of no sum.
    """

    received: int = 0
    sent: int = 0
    """In an utterance."""
    silence: int = 0
    """Judged to be no speech."""
    muted: int = 0
    """Not listened to: half-duplex while speaking."""
    dropped: int = 0
    """Given up on the way, with the reason said."""
    lost: int = 0

    @property
    def held(self) -> int:
        """Received and not yet decided: pre-roll, or an utterance that is still open."""
        return self.received - self.sent - self.silence - self.muted - self.dropped

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(
            received=self.received + other.received,
            sent=self.sent + other.sent,
            silence=self.silence + other.silence,
            muted=self.muted + other.muted,
            dropped=self.dropped + other.dropped,
            lost=self.lost + other.lost,
        )
