"""Detection of the loop's own voice in the microphone, where it hears the loudspeaker. Decides nothing about turns.

The echo canceller comes before it. Residual echo, or with `echo = "off"` the whole echo, is recognised by its sound (a
copy of what was just played), by its end (it stops when the reply is held), and by its words (they repeat the reply
that was audible then).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voiceloop.audio.resample import resample
from voiceloop.echo.caution import Caution, Level
from voiceloop.echo.correlation import OWN_VOICE, Played
from voiceloop.echo.text_echo import repeats
from voiceloop.turns.context import TurnContext
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript

_CLIP_S = 2.0
"""How much of the latest speech is compared with what was played."""
_LATEST_ECHO_S = 0.5
"""How much later than it was played an echo may arrive."""
_SURELY_OTHER = 0.5
"""Of a person who speaks as loud as the echo half of the energy can't be the echo; of a leak, 0.2 to 0.4 at times."""
_STOPPED_S = 0.25
"""An echo ends this soon after the loudspeaker fell silent: the room, and what the VAD adds."""
_LEAK_MS, _STRICT_LEAK_MS = 350, 500
_TOLD = {
    Level.STRICT: (
        "audio.echo: the reply has interrupted itself twice within a minute. For the present, only what lasts half a "
        "second interrupts it."
    ),
    Level.HALF_DUPLEX: (
        "audio.echo: the reply still interrupts itself. For the present the microphone is ignored while a reply plays. "
        "Use headphones, or turn the loudspeaker down."
    ),
}


@dataclass(slots=True)
class OwnVoice:
    """Compares speech, given with `begin` and `feed` as it comes, with what the loudspeaker played."""

    context: TurnContext
    dropped: int = 0
    """How many utterances were dropped because they were only the loop's own voice."""
    _caution: Caution = field(default_factory=Caution)
    _told: set[Level] = field(default_factory=set)
    _speech: bytearray = field(default_factory=bytearray)
    """The last 2 s of the current utterance: int16, mono, 16 kHz."""
    _other_share: float = 0.0
    """The largest share of somebody else in the raw microphone during the current utterance."""

    def begin(self, pcm: bytes) -> None:
        """An utterance begins: the user's, or an echo of the loudspeaker."""
        self._speech = bytearray(pcm)
        self._other_share = 0.0
        self._ask_who()

    def feed(self, pcm: bytes) -> None:
        """Take more of the utterance."""
        self._speech += pcm
        del self._speech[: -round(_CLIP_S * CAPTURE_RATE_HZ) * SAMPLE_BYTES]
        self._ask_who()

    def _ask_who(self) -> None:
        if self.context.raw is not None:
            self._other_share = max(self._other_share, self.context.raw.other_share)

    def copies(self) -> bool:
        """Whether the latest speech is a copy of what was just played. Takes milliseconds, so call it only at need.

        The canceller takes most of an echo away, and what it leaves need not be like the echo. So the raw microphone is
        compared, too, unless it surely hears somebody else: then the echo of the reply is in it all the same.
        """
        if self.context.played is None:
            return False
        samples = len(self._speech) // SAMPLE_BYTES
        played, rate_hz = self.context.played.recent(samples / CAPTURE_RATE_HZ + _LATEST_ECHO_S)
        if played.count(0) == len(played):  # only silence was played
            return False
        played = resample(played, from_hz=rate_hz, to_hz=CAPTURE_RATE_HZ)
        source = Played(played, longest=samples)
        if source.correlation(bytes(self._speech)) >= OWN_VOICE:
            return True
        if self.context.raw is None or self._other_share >= _SURELY_OTHER:
            return False
        return source.correlation(self.context.raw.recent(samples)) >= OWN_VOICE

    def stopped(self, *, after_hold_s: float, voice_ms: float) -> bool:
        """Whether speech that held the reply, with so much voice, and ended so long after the loudspeaker fell silent,
        was the reply itself.

        That is no proof: "no" is as short. So it counts only where nobody else was surely heard.
        """
        if self.context.raw is None:
            return False
        if self._caution.level is not Level.NORMAL:
            return after_hold_s < _STOPPED_S and voice_ms < _STRICT_LEAK_MS
        return after_hold_s < _STOPPED_S and voice_ms < _LEAK_MS and self._other_share < _SURELY_OTHER

    def drop(self) -> None:
        """Note that an utterance was dropped because it was only the loop's own voice."""
        self.dropped += 1
        if self._caution.heard_itself(self.context.now()):
            self._apply()

    def replied(self) -> None:
        """Note that a reply was played to its end."""
        if self._caution.replied():
            self._apply()

    def _apply(self) -> None:
        """Tell what has changed, each level once in a session, and ignore the microphone or listen to it again."""
        level = self._caution.level
        self.context.publish("echo.caution", level=level.name.lower())
        if level in _TOLD and level not in self._told:
            self._told.add(level)
            self.context.publish("notice", text=_TOLD[level])
        self.context.half_duplex(level is Level.HALF_DUPLEX)

    def repeats(self, transcript: Transcript) -> bool:
        """Whether a transcript only repeats words of a reply that was audible while they were said."""
        context, utterance = self.context, transcript.utterance
        start_s, end_s = context.captured(utterance.start), context.captured(utterance.voiced_end)
        return repeats(transcript.text, context.audible.between(start_s, end_s))
