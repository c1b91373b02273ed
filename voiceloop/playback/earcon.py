"""The earcon: a short low tone that signals a failed turn. Pure."""

from __future__ import annotations

import math
from array import array

_PITCHES_HZ = (330.0, 247.0)
"""Falling, from E to B: understood as "no" without words."""
_TONE_S = 0.09
_LEVEL = 0.15
"""Well below the level of speech, because nobody asked for the tone."""


def earcon(rate_hz: int) -> bytes:
    """Two soft falling tones, 0.18 s: int16, mono, at `rate_hz`."""
    samples = array("h")
    count = round(_TONE_S * rate_hz)
    for pitch_hz in _PITCHES_HZ:
        for i in range(count):
            envelope = math.sin(math.pi * i / count) ** 2  # from silence to silence: no click
            samples.append(round(32767 * _LEVEL * envelope * math.sin(2 * math.pi * pitch_hz * i / rate_hz)))
    return samples.tobytes()
