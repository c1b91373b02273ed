"""An account of captured samples: what became of each. Only counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ledger:
    """Samples received, each counted as exactly one of `sent`, `silence`, `muted`, `dropped` or still `held`.

    Ledgers add up with `+`, so that each step of the pipeline can count its own decisions.
    """

    received: int = 0
    sent: int = 0
    """Samples in an utterance."""
    silence: int = 0
    """Samples judged not to be speech."""
    muted: int = 0
    """Samples not listened to, for example while half-duplex mute was active."""
    dropped: int = 0
    """Samples discarded on the way; the reason was reported."""
    lost: int = 0
    """Samples that the device never delivered: the capture clock's estimate, not part of `received` or `held`."""

    @property
    def held(self) -> int:
        """Samples received and not yet decided: pre-roll, or an utterance that is still open."""
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
