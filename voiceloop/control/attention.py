"""Whether what is heard is meant for the program. Pure: times come in as values.

listening   all that is said counts
idle        the device is open and nothing counts: push-to-talk between two presses
asleep      only the words that wake it count
muted       the device is closed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["listening", "idle", "asleep", "muted"]


@dataclass(slots=True)
class Attention:
    """`muted` hides what is beneath it, and `asleep` what is listening: unmuted, it is as it was before."""

    listening: bool = True
    asleep: bool = False
    muted: bool = False
    _stopped_at: float = float("-inf")

    @property
    def state(self) -> State:
        if self.muted:
            return "muted"
        if not self.listening:
            return "idle"
        return "asleep" if self.asleep else "listening"

    def start(self) -> None:
        """Listen, whatever it did before."""
        self.listening, self.asleep, self.muted = True, False, False

    def stop(self, now: float) -> None:
        """Listen no more: what was captured until `now` still counts, though it is on its way."""
        if self.listening:
            self.listening, self._stopped_at = False, now

    def heeds(self, captured_at: float) -> bool:
        """Whether a frame captured then counts."""
        return self.listening or captured_at < self._stopped_at
