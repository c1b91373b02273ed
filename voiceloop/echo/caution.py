"""How careful the loop is with its own voice: it watches itself, and becomes stricter where it hears itself. Pure.

    NORMAL   --- its own voice twice within a minute -----------> STRICT
    STRICT   --- once more, before three replies went well -----> HALF_DUPLEX
    one step back after three replies in a row that its own voice did not disturb; after each HALF_DUPLEX twice as many

In half-duplex the microphone is ignored while a reply plays, so every reply goes well. That is why the way back becomes
longer each time: in a room that no canceller can follow, the loop stays half-duplex nearly all the time.
"""

from __future__ import annotations

from enum import Enum, auto

_WITHIN_S = 60.0
_REPLIES = 3


class Level(Enum):
    """How much it takes to interrupt a reply."""

    NORMAL = auto()
    STRICT = auto()
    """Short speech that ends when the reply is held is never taken for a user."""
    HALF_DUPLEX = auto()
    """The microphone is ignored while a reply plays."""


class Caution:
    """Tell it of each time the loop took its own voice for speech, and of each reply; both return whether `level` has
    changed."""

    def __init__(self) -> None:
        self.level = Level.NORMAL
        self._last_s = float("-inf")
        self._went_well = 0
        self._needed = _REPLIES

    def heard_itself(self, at_s: float) -> bool:
        """Its own voice held or interrupted a reply at the time `at_s`, in seconds."""
        again = at_s - self._last_s <= _WITHIN_S
        self._last_s, self._went_well = at_s, 0
        if self.level is Level.NORMAL and again:
            self.level = Level.STRICT
        elif self.level is Level.STRICT:
            self.level = Level.HALF_DUPLEX
        else:
            return False
        return True

    def replied(self) -> bool:
        """A reply was played to its end."""
        self._went_well += 1
        if self.level is Level.NORMAL or self._went_well < self._needed:
            return False
        self._went_well = 0
        if self.level is Level.HALF_DUPLEX:
            self._needed *= 2
            self.level = Level.STRICT
        else:
            self.level = Level.NORMAL
        return True
