"""Ducking: lowers, holds and resumes the reply at the loudspeaker as the user may be, is, or no longer is speaking.

Decides nothing about turns: whether an utterance holds the reply, the arbiter says (`Arbiter.holds`). All of it is
reversible: a held reply goes on from the sample where it stopped.

    arbiter   early voice   reply
    holds     any           held
    -         LIKELY        held
    -         POSSIBLE      ducked, or held if it has not begun to sound
    -         NONE          at full level
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.events import Publish
from voiceloop.playback.speaker import Speaker

DUCKED = 0.25
"""The gain of a ducked reply: -12 dB, so that a reply that goes on was only quieter for a moment."""


@dataclass(slots=True)
class Ducking:
    """Sets the loudspeaker's gain and hold by what is known of the user. Publishes `ducked`, `held` and `resumed`."""

    speaker: Speaker
    publish: Publish
    now: Callable[[], float]
    holding: bool = False
    """An utterance holds the reply."""
    early_voice: EarlyVoice = EarlyVoice.NONE
    held_at: float = float("-inf")
    """When a sounding reply was last held, by the clock of `now`."""
    _published: str = ""
    """The state that was published last: "held", "ducked", or "" at full level."""

    def update(self, *, holding: bool | None = None, early_voice: EarlyVoice | None = None) -> None:
        """Set what has changed, and apply it to the loudspeaker."""
        self.holding = self.holding if holding is None else holding
        self.early_voice = self.early_voice if early_voice is None else early_voice
        self._apply()

    def discard_reply(self) -> None:
        """Discard the reply. The next one sounds only when the user is not speaking."""
        self.speaker.cancel()  # also ends a hold
        self._apply()

    def _apply(self) -> None:
        sounding = self.speaker.sounding
        # A reply that has not begun is held already at the first sign of voice: if it began, the half-duplex mute would
        # cut off the user after a word, and a reply that came too soon would be heard.
        voice = self.early_voice is EarlyVoice.LIKELY or (self.early_voice is EarlyVoice.POSSIBLE and not sounding)
        held = self.holding or voice
        ducked = self.early_voice is not EarlyVoice.NONE or held
        self.speaker.gain = DUCKED if ducked and sounding else 1.0
        if held:
            if sounding and not self.speaker.held:
                self.held_at = self.now()
            self.speaker.hold()
        else:
            self.speaker.resume()
        self._publish_change("held" if held else "ducked" if ducked else "", sounding=sounding)

    def _publish_change(self, state: str, *, sounding: bool) -> None:
        if state == self._published or (state and not sounding and not self._published):
            return  # no audible change
        self._published = state
        self.publish(state or "resumed")
