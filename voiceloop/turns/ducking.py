"""Who has the floor: ducks, hushes and gives back the loudspeaker as the user perhaps, surely or no longer speaks.

Decides nothing about turns. All of it is reversible: a hushed reply goes on from the sample where it froze.
"""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.capture.early_voice import Stir
from voiceloop.events import Publish
from voiceloop.playback.speaker import Speaker

DUCKED = 0.25
"""The gain while somebody perhaps speaks: 12 dB lower, so that a reply that goes on was no more than dimmed."""


@dataclass(slots=True)
class Floor:
    """Set what is known with `now`; the loudspeaker follows.

    `speaking`: an utterance is under way. `undecided`: one over the reply is over, and what it was is not known yet.
    `stir`: the first signs of voice.
    """

    speaker: Speaker
    publish: Publish
    speaking: bool = False
    undecided: bool = False
    stir: Stir = Stir.CALM
    _state: str = ""

    def now(self, *, speaking: bool | None = None, undecided: bool | None = None, stir: Stir | None = None) -> None:
        """Something has changed."""
        self.speaking = self.speaking if speaking is None else speaking
        self.undecided = self.undecided if undecided is None else undecided
        self.stir = self.stir if stir is None else stir
        self._settle()

    def clear(self) -> None:
        """Discard the reply; the next one sounds only when the user leaves it the floor."""
        self.speaker.cancel()  # ends a hush as well
        self._settle()

    def _settle(self) -> None:
        sounding = self.speaker.sounding
        # A reply that has not begun doesn't begin at the first sign of voice: half-duplex would go deaf within a word,
        # and a reply that came too soon would be heard.
        stirred = self.stir is Stir.LIKELY or (self.stir is Stir.PERHAPS and not sounding)
        hushed = self.speaking or self.undecided or stirred
        ducked = self.stir is not Stir.CALM or hushed
        self.speaker.gain = DUCKED if ducked and sounding else 1.0
        if hushed:
            self.speaker.hush()
        else:
            self.speaker.resume()
        self._tell("hushed" if hushed else "ducked" if ducked else "", sounding=sounding)

    def _tell(self, state: str, *, sounding: bool) -> None:
        if state == self._state or (state and not sounding and not self._state):
            return  # nothing has changed that could be heard
        self._state = state
        self.publish(state or "resumed")
