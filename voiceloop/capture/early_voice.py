"""Notices the first signs of voice, before it is certain enough for an onset. Pure: knows no clock and no device.

What it says is cheap, early and often wrong, so only what can be undone may hang on it: the reply is ducked, then
held, and comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from voiceloop.capture.endpointing.endpointer import samples
from voiceloop.plugins import Verdict

_LIKELY = samples(60)
"""So much voice, by the VAD's own verdicts, makes it likely: two hops of Silero."""
_FORGET = samples(250)
"""Without voice for so long it was nothing."""
_DOUBT = samples(200)
"""How long a hint stands alone: within it the VAD agrees, or there is noise that only sounds like voice."""
_REARM = samples(300)
"""How long there must be no hint before one counts again: steady noise hints all the time."""


class EarlyVoice(Enum):
    CALM = auto()
    POSSIBLE = auto()
    """A detector that is quick and easily fooled heard something."""
    LIKELY = auto()
    """The VAD agrees, though for less long than an onset takes."""


class EarlyVoiceDetector:
    """`hear` takes the verdicts of a frame that ends at the sample `now`, and whether the quick detector hints."""

    def __init__(self) -> None:
        self._hinted = -_REARM  # when it hinted last
        self._hint_began = -_DOUBT  # when a hint began that counts
        self._voiced_until = 0
        self._voice = 0

    def hear(self, now: int, verdicts: Sequence[Verdict], *, hint: bool) -> EarlyVoice:
        for verdict in verdicts:
            if verdict.voiced:
                if verdict.start - self._voiced_until > _FORGET:
                    self._voice = 0
                self._voice += verdict.end - max(verdict.start, min(self._voiced_until, verdict.end))
                self._voiced_until = max(self._voiced_until, verdict.end)
        if hint:
            if now - self._hinted >= _REARM:
                self._hint_began = now
            self._hinted = now
        voiced = self._voice > 0 and now - self._voiced_until <= _FORGET
        if not voiced:
            self._voice = 0
        if voiced and self._voice >= _LIKELY:
            return EarlyVoice.LIKELY
        if voiced or now - self._hint_began < _DOUBT:
            return EarlyVoice.POSSIBLE
        return EarlyVoice.CALM
