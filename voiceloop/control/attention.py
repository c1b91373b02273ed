"""The attention state: whether captured speech is used. Pure: times come in as values.

listening   all speech is used
idle        the microphone is open but speech is ignored: push-to-talk between two presses
asleep      only the wake-up phrase is used
muted       the microphone is closed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["listening", "idle", "asleep", "muted"]


@dataclass(slots=True)
class Attention:
    """The flags behind the state. Muted overrides idle, idle overrides asleep; unmuting restores the state below."""

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
        """Go to `listening` from any state."""
        self.listening, self.asleep, self.muted = True, False, False

    def stop(self, now: float) -> None:
        """Stop listening. Frames captured before `now` but not yet processed are still used."""
        if self.listening:
            self.listening, self._stopped_at = False, now

    def accepts(self, captured_at: float) -> bool:
        """Whether a frame captured at `captured_at` is used."""
        return self.listening or captured_at < self._stopped_at
