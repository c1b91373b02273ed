"""Detection of the loop's own voice in the microphone, where it hears the loudspeaker. Decides nothing about turns.

The echo canceller comes before it. Residual echo, or with `echo = "off"` the whole echo, is recognised by its sound (a
copy of what was just played) and by its words (they repeat the reply that was audible then).
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
"""How much of the latest speech is compared with what was played."""
_LATEST_ECHO_S = 0.5
"""How much later than it was played an echo may arrive."""


@dataclass(slots=True)
class OwnVoice:
    """Compares speech, given with `begin` and `feed` as it comes, with what the loudspeaker played."""

    context: TurnContext
    dropped: int = 0
    """How many utterances were dropped because they were only the loop's own voice."""
    known_in: Turn | None = None
    """The turn whose reply the microphone is known to hear."""
    _speech: bytearray = field(default_factory=bytearray)
    """The last 2 s of the current utterance: int16, mono, 16 kHz."""

    def begin(self, pcm: bytes) -> None:
        """An utterance begins: the user's, or an echo of the loudspeaker."""
        self._speech = bytearray(pcm)

    def feed(self, pcm: bytes) -> None:
        """Take more of the utterance."""
        self._speech += pcm
        del self._speech[: -round(_CLIP_S * CAPTURE_RATE_HZ) * SAMPLE_BYTES]

    def is_known_in(self, turn: Turn | None) -> bool:
        """Whether the microphone is known to hear the reply of `turn`."""
        return turn is not None and turn is self.known_in

    def copies(self) -> bool:
        """Whether the latest speech is a copy of what was just played. Takes up to 10 ms, so call it only at need."""
        if self.context.played is None:
            return False
        seconds = len(self._speech) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        played, rate_hz = self.context.played.recent(seconds + _LATEST_ECHO_S)
        if played.count(0) == len(played):  # only silence was played
            return False
        return (
            correlation(heard=bytes(self._speech), played=resample(played, from_hz=rate_hz, to_hz=CAPTURE_RATE_HZ))
            >= OWN_VOICE
        )

    def repeats(self, transcript: Transcript) -> bool:
        """Whether a transcript only repeats words of a reply that was audible while they were said."""
        context, utterance = self.context, transcript.utterance
        start_s, end_s = context.captured(utterance.start), context.captured(utterance.voiced_end)
        return repeats(transcript.text, context.audible.between(start_s, end_s))
