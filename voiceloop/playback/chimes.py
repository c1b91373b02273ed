"""Chimes: sounds that tell when listening starts and stops, and for how long the microphone may hear them.

chime written       |......|ssssssss|                  latency, then it sounds
heard_at   ---------|yesyesyesyesyes|yesyesyes|------  and for the room's reverberation after it
"""

from __future__ import annotations

from collections.abc import Callable

from voiceloop.playback.earcon import chime
from voiceloop.playback.speaker import Speaker

_TAIL_S = 0.6
"""How long a chime may be heard after the loudspeaker's last sample: reverberation, and a latency that the device
doesn't tell."""


class Chimes:
    """Plays the chimes. `now` is the clock of the microphone's capture times; no chime announces the state at the
    start, `listening`."""

    def __init__(self, speaker: Speaker, now: Callable[[], float], *, listening: bool) -> None:
        self._speaker, self._now, self._listening = speaker, now, listening
        self._began = self._until = float("-inf")

    def tell(self, *, listening: bool) -> None:
        """Play a chime if listening has started or stopped. Never waits; silent while a reply is played, and while the
        loudspeaker is gone."""
        if listening is self._listening:
            return
        self._listening = listening
        if self._speaker.chime(chime(self._speaker.rate_hz, rising=listening)):
            now = self._now()
            if now >= self._until:
                self._began = now
            self._until = now + _TAIL_S

    def heard_at(self, captured_at: float) -> bool:
        """Whether the microphone may hear a chime in sound captured at `captured_at`. To be asked for every frame."""
        now = self._now()
        if now < self._until and self._speaker.audible:
            self._until = now + _TAIL_S
        return self._began <= captured_at < self._until
