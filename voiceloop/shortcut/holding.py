"""What the presses and releases of a shortcut mean. Pure: times come in as values.

idle        hold               start while it is held, stop at its release
idle        tap                start; the next tap, or the next hold's end, stops
listening   tap or hold        stop at its release
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TAP_MS = 400
"""A shorter press is a tap. Nobody holds a key for less and says a word meanwhile."""
_REPEAT_MS = 1_000
"""A press so soon after the last one is the keyboard's repetition. After a longer time the release was lost."""

Command = Literal["start", "stop"]


@dataclass(slots=True)
class Holding:
    """The state of the shortcut."""

    pressed_ms: float | None = None
    """When it was pressed; None while it is not."""
    _last_ms: float = float("-inf")
    _started: bool = False
    """Whether the present press started listening."""

    def press(self, at_ms: float, *, listening: bool) -> Command | None:
        """The shortcut is pressed. Returns the command to carry out."""
        repeats = self.pressed_ms is not None and at_ms - self._last_ms < _REPEAT_MS
        self._last_ms = at_ms
        if repeats:
            return None
        self.pressed_ms, self._started = at_ms, not listening
        return None if listening else "start"

    def release(self, at_ms: float) -> Command | None:
        """The shortcut is released."""
        if self.pressed_ms is None:
            return None
        tapped = at_ms - self.pressed_ms < TAP_MS
        self.pressed_ms = None
        return None if self._started and tapped else "stop"

    def lose(self) -> Command | None:
        """The shortcut is gone, and with it the news of its release: what is held counts as released, so that the
        microphone isn't heard for ever."""
        held, self.pressed_ms = self.pressed_ms is not None, None
        return "stop" if held else None
