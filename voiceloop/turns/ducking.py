"""Who has the floor: ducks, holds and gives back the loudspeaker as the user perhaps, surely or no longer speaks.

Decides nothing about turns. All of it is reversible: a held reply goes on from the sample where it froze.
"""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.events import Publish
from voiceloop.playback.speaker import Speaker

DUCKED = 0.25
"""The gain while somebody perhaps speaks: 12 dB lower, so that a reply that goes on was no more than dimmed."""


@dataclass(slots=True)
class Ducking:
    """Set what is known with `now`; the loudspeaker follows.

    `speaking`: an utterance is under way. `undecided`: one over the reply is over, and what it was is not known yet.
    `early_voice`: the first signs of voice.
    """

    speaker: Speaker
    publish: Publish
    speaking: bool = False
    undecided: bool = False
    early_voice: EarlyVoice = EarlyVoice.CALM
    _state: str = ""

    def now(
        self, *, speaking: bool | None = None, undecided: bool | None = None, early_voice: EarlyVoice | None = None
    ) -> None:
        """Something has changed."""
        self.speaking = self.speaking if speaking is None else speaking
        self.undecided = self.undecided if undecided is None else undecided
        self.early_voice = self.early_voice if early_voice is None else early_voice
        self._settle()

    def clear(self) -> None:
        """Discard the reply; the next one sounds only when the user leaves it the floor."""
        self.speaker.cancel()  # ends a hold as well
        self._settle()

    def _settle(self) -> None:
        sounding = self.speaker.sounding
        # A reply that has not begun doesn't begin at the first sign of voice: half-duplex would go deaf within a word,
        # and a reply that came too soon would be heard.
        stirred = self.early_voice is EarlyVoice.LIKELY or (self.early_voice is EarlyVoice.POSSIBLE and not sounding)
        held = self.speaking or self.undecided or stirred
        ducked = self.early_voice is not EarlyVoice.CALM or held
        self.speaker.gain = DUCKED if ducked and sounding else 1.0
        if held:
            self.speaker.hold()
        else:
            self.speaker.resume()
        self._tell("held" if held else "ducked" if ducked else "", sounding=sounding)

    def _tell(self, state: str, *, sounding: bool) -> None:
        if state == self._state or (state and not sounding and not self._state):
            return  # nothing has changed that could be heard
        self._state = state
        self.publish(state or "resumed")
