"""Tells the loop's own voice from the user's where the microphone hears the loudspeaker. Decides nothing about turns.

The canceller comes before it. What leaks through, and all of it with `echo = "off"`, is told by its sound (a copy of
what was just played) and by its words (they repeat what could be heard then).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voiceloop.audio.resample import resample
from voiceloop.echo.correlation import OWN_VOICE, correlation
from voiceloop.echo.text_echo import repeats
from voiceloop.turns.context import TurnContext
from voiceloop.turns.turn import Turn
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript

_CLIP_S = 2.0
"""How much of what was said last is compared."""
_LATER_S = 0.5
"""How much later than it was played an echo may come."""


@dataclass(slots=True)
class OwnVoice:
    """`begin` and `feed` take what is said over a reply, as it comes."""

    context: TurnContext
    dropped: int = 0
    """How often something was not taken because it was only the loop's own voice."""
    known_in: Turn | None = None
    """The turn whose reply the microphone is known to hear."""
    _said: bytearray = field(default_factory=bytearray)

    def begin(self, pcm: bytes) -> None:
        """Somebody, or the loudspeaker, begins to speak."""
        self._said = bytearray(pcm)

    def feed(self, pcm: bytes) -> None:
        """More of it."""
        self._said += pcm
        del self._said[: -round(_CLIP_S * CAPTURE_RATE_HZ) * SAMPLE_BYTES]

    def is_known_in(self, live: Turn | None) -> bool:
        """Whether the microphone is known to hear the reply of `live`."""
        return live is not None and live is self.known_in

    def copies(self) -> bool:
        """Whether what was said last is what was played before. Takes up to 10 ms: ask when it matters."""
        if self.context.played is None:
            return False
        seconds = len(self._said) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        played, rate_hz = self.context.played.recent(seconds + _LATER_S)
        if played.count(0) == len(played):
            return False
        return correlation(bytes(self._said), resample(played, rate_hz, CAPTURE_RATE_HZ)) >= OWN_VOICE

    def repeats(self, transcript: Transcript) -> bool:
        """Whether a transcript only has words that were sounding while they were said."""
        context, utterance = self.context, transcript.utterance
        start_s, end_s = context.captured(utterance.start), context.captured(utterance.voiced_end)
        return repeats(transcript.text, context.audible.between(start_s, end_s))
