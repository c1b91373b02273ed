"""Earcons: short tones that signal a failed turn, and that listening starts or stops. Pure."""

from __future__ import annotations

import math
from array import array

_FAILED_HZ = (330.0, 247.0)
"""Falling, from E to B: understood as "no" without words."""
_FAILED_TONE_S = 0.09
CHIME_HZ = (1047.0, 1568.0)
"""C and G, rising when listening starts and falling when it stops. Both chimes have the same two pitches and nothing
else, so that a filter for two pitches keeps them out of the microphone's sound."""
_CHIME_TONE_S = 0.07
_LEVEL = 0.15
"""Well below the level of speech, because nobody asked for the tones."""


def earcon(rate_hz: int) -> bytes:
    """Two soft falling tones, 0.18 s: int16, mono, at `rate_hz`."""
    return _tones(_FAILED_HZ, _FAILED_TONE_S, rate_hz)


def chime(rate_hz: int, *, rising: bool) -> bytes:
    """Two soft tones, 0.14 s: int16, mono, at `rate_hz`."""
    return _tones(CHIME_HZ if rising else CHIME_HZ[::-1], _CHIME_TONE_S, rate_hz)


def _tones(pitches_hz: tuple[float, ...], tone_s: float, rate_hz: int) -> bytes:
    samples = array("h")
    count = round(tone_s * rate_hz)
    for pitch_hz in pitches_hz:
        for i in range(count):
            envelope = math.sin(math.pi * i / count) ** 2  # from silence to silence: no click
            samples.append(round(32767 * _LEVEL * envelope * math.sin(2 * math.pi * pitch_hz * i / rate_hz)))
    return samples.tobytes()
