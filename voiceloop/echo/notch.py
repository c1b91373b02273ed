"""A notch filter that removes sounds of known pitches from the microphone's frames. Pure.

An echo canceller must first adapt to the room, which takes longer than a chime. Removing its pitches needs no adapting:
whatever the delay, the level and the room, the echo of a tone has the pitch of the tone. Speech spoken at the same time
stays; it lacks two narrow bands.

    frames ──> notch 1 ──> notch 1 ──> notch 2 ──> notch 2 ──> frames        (each twice: deeper, as steep)
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from voiceloop.types import CAPTURE_RATE_HZ

_WIDTH_HZ = 200.0
"""Wide enough to follow the swelling of a tone of 70 ms: 40 dB of it are removed."""
_ORDER = 2


class Notch:
    """Removes the `pitches_hz` from sound at `rate_hz`, which is given to it in consecutive pieces."""

    def __init__(self, pitches_hz: Sequence[float], rate_hz: int = CAPTURE_RATE_HZ) -> None:
        self._sections = [_Section(pitch, rate_hz) for pitch in pitches_hz for _ in range(_ORDER)]

    def filter(self, pcm: bytes) -> bytes:
        """The next piece (int16, mono) without the pitches."""
        samples: Sequence[float] = array("h", pcm)
        for section in self._sections:
            samples = section.filter(samples)
        return array("h", [max(-32768, min(32767, round(sample))) for sample in samples]).tobytes()


class _Section:
    """One notch of the second order, in the transposed direct form II
    (https://webaudio.github.io/Audio-EQ-Cookbook/audio-eq-cookbook.html)."""

    def __init__(self, pitch_hz: float, rate_hz: int) -> None:
        angle = 2 * math.pi * pitch_hz / rate_hz
        alpha = math.sin(angle) * _WIDTH_HZ / (2 * pitch_hz)
        self._gain = 1 / (1 + alpha)
        self._turn = -2 * math.cos(angle) * self._gain
        self._decay = (1 - alpha) * self._gain
        self._first = self._second = 0.0

    def filter(self, samples: Sequence[float]) -> list[float]:
        gain, turn, decay = self._gain, self._turn, self._decay
        first, second = self._first, self._second
        out = []
        for sample in samples:
            filtered = gain * sample + first
            first = turn * (sample - filtered) + second
            second = gain * sample - decay * filtered
            out.append(filtered)
        self._first, self._second = first, second
        return out
