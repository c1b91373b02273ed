"""When to try a connection again that could not be had: after a pause that grows. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 1.0
"""The first pause."""
LONGEST_S = 300.0
"""The longest one. Each is twice the one before."""


@dataclass(slots=True)
class Pauses:
    """The pauses between the attempts. `down`: the last use failed, and none has succeeded since."""

    down: bool = False
    _pause_s: float = 0.0
    _until: float = float("-inf")

    def failed(self, now: float) -> None:
        """Note a failure: the next pause begins, unless one is running."""
        self.down = True
        if self.over(now):
            self._pause_s = min(max(FIRST_S, 2 * self._pause_s), LONGEST_S)
            self._until = now + self._pause_s

    def worked(self) -> None:
        """Note a success: the next failure is followed by a short pause again."""
        self.down, self._pause_s, self._until = False, 0.0, float("-inf")

    def over(self, now: float) -> bool:
        """Whether it may be tried now."""
        return now >= self._until
