"""A detector of early voice: sound that may be the beginning of speech, before an onset is certain. Pure.

Early voice comes early and is often wrong. So it may only cause what can be undone: the reply is ducked, then held,
and comes back when no onset follows.

    sound       ____|voice voice voice voice ...
    hint            |..30 ms: POSSIBLE
    VAD             |.......60 ms of voice: LIKELY
    segmenter       |...............onset (SpeechStarted)
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from voiceloop.plugins import Verdict
from voiceloop.types import samples

_LIKELY = samples(60)
"""Voice that makes speech likely, by the VAD's verdicts: two hops of Silero."""
_FORGET = samples(250)
"""After this long without voice, earlier voice no longer counts."""
_DOUBT = samples(200)
"""How long a hint counts without the VAD's agreement. If none has come by then, it was noise."""
_REARM = samples(300)
"""How long there must be no hint before the next one counts: steady noise causes hints all the time."""


class EarlyVoice(Enum):
    """How likely it is that somebody begins to speak."""

    NONE = auto()
    """No sign of voice."""
    POSSIBLE = auto()
    """The VAD's quick detector gave a hint; it is easily fooled."""
    LIKELY = auto()
    """The VAD judged it to be voice, but not yet for long enough for an onset."""


class EarlyVoiceDetector:
    """Combines the VAD's verdicts with the hints of its quick detector. All positions are sample indices."""

    def __init__(self) -> None:
        self._last_hint = -_REARM
        self._hint_began = -_DOUBT  # the beginning of the last hint that counts
        self._voiced_until = 0
        self._voice = 0  # samples of voice without a break of `_FORGET`

    def hear(self, now: int, verdicts: Sequence[Verdict], *, hint: bool) -> EarlyVoice:
        """Take the verdicts on a frame that ends at the sample `now`, and whether the quick detector gave a hint."""
        for verdict in verdicts:
            if verdict.voiced:
                if verdict.start - self._voiced_until > _FORGET:
                    self._voice = 0
                self._voice += verdict.end - max(verdict.start, min(self._voiced_until, verdict.end))
                self._voiced_until = max(self._voiced_until, verdict.end)
        if hint:
            if now - self._last_hint >= _REARM:
                self._hint_began = now
            self._last_hint = now
        voiced = self._voice > 0 and now - self._voiced_until <= _FORGET
        if not voiced:
            self._voice = 0
        if voiced and self._voice >= _LIKELY:
            return EarlyVoice.LIKELY
        if voiced or now - self._hint_began < _DOUBT:
            return EarlyVoice.POSSIBLE
        return EarlyVoice.NONE
