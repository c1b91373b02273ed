"""The public part of a model's answer: its deltas without thoughts, tool calls and control tokens in the text. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.handlers.completion import Delta, Sound
from voiceloop.speak.private_text import PrivateText


@dataclass(slots=True)
class Habits:
    """What the answers of a model have shown so far."""

    thinks: bool = False
    """They begin with thoughts whose beginning isn't marked."""


class Public:
    """Takes the deltas of one answer and returns what is for the user."""

    def __init__(self, habits: Habits) -> None:
        self._habits, self._text, self._of_sound = habits, PrivateText(thinks=habits.thinks), False

    def feed(self, delta: Delta) -> Delta | None:
        """The next delta; None when nothing of it can be given out now."""
        match delta:
            case str():
                text = self._text.feed(delta)
                self._habits.thinks |= self._text.thinks
                return text or None
            case Sound():
                self._of_sound = True
                text = self._text.feed(delta.text)
                return Sound(delta.pcm, text) if delta.pcm or text else None
        return delta

    def end(self, *, complete: bool = True) -> Delta | None:
        """The answer ends, `complete` or broken off. Returns what was held back."""
        rest = self._text.end(complete=complete)
        self._habits.thinks = self._text.thinks
        if not rest:
            return None
        return Sound(b"", rest) if self._of_sound else rest
