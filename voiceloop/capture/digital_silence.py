"""Digital silence: samples that are all zero, which a real microphone in a real room never delivers for long.

It means that the microphone is switched off, muted in hardware, or not the one that is spoken into. Pure: time is a
number of samples.
"""

from __future__ import annotations

from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

LIMIT = 5 * CAPTURE_RATE_HZ
"""Samples of digital silence (5 s) after which it is told."""


class DigitalSilence:
    """Counts digital silence from the start until something is heard, and again whenever the user expects to be heard.

    It is due once.
    """

    def __init__(self) -> None:
        self._counting, self._silent, self._told = True, 0, False

    def expect(self, *, heard: bool) -> None:
        """The user begins to expect to be heard (holds push-to-talk), or no longer does."""
        self._counting = heard

    def feed(self, pcm: bytes) -> bool:
        """Take the microphone's next samples (int16); return whether it is time to tell of the silence."""
        if self._told or not self._counting:
            return False
        if pcm.strip(b"\0"):
            self._counting, self._silent = False, 0
            return False
        self._silent += len(pcm) // SAMPLE_BYTES
        self._told = self._silent >= LIMIT
        return self._told
