"""Whether what the microphone heard is what the loudspeaker just played. Pure: knows no device, clock or turn.

Speech over a reply holds the reply; if it was the reply's own echo it stops with it, and what was heard is a copy of
what was played last, later and quieter. A person's voice is none, whatever the words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.types import CAPTURE_RATE_HZ

OWN_VOICE = 0.65
"""From so much likeness on it is an echo. The first words of recorded prompts against replies of the same speaker, the
hardest case, are alike by 0.18 (99 % by less than 0.5, at most 0.63), a plain echo by 0.99, one in a room with much
reverberation by 0.5: those are left to the canceller (`tests/echo/test_correlation.py`)."""
_LOWEST_HZ = 500
"""Below, rooms and cancellers turn the phase; voices of all people are alike there."""
_HIGHEST_HZ = 3_400


def correlation(heard: bytes, played: bytes) -> float:
    """The greatest normalised cross-correlation of `heard` with any part of `played`: 0 to 1, at any gain and delay.

    Both int16, mono, 16 kHz; up to some seconds (6 ms of work for two seconds).
    """
    clip, source = _band(heard), _band(played)
    energy = float(np.square(clip).sum())
    if not energy or not np.square(source).any():
        return 0.0
    size = 1 << (len(clip) + len(source)).bit_length()
    product = np.fft.irfft(np.fft.rfft(source, size) * np.conj(np.fft.rfft(clip, size)), size)
    lags = np.arange(1 - len(clip), len(source))
    power = np.concatenate([[0.0], np.cumsum(np.square(source))])
    there = power[np.clip(lags + len(clip), 0, len(source))] - power[np.clip(lags, 0, len(source))]
    # Only where most of what could have been heard lies beside the clip: a sliver of it would be like anything.
    enough = there > 0.25 * there.max()
    return float(np.abs(product[lags][enough] / np.sqrt(energy * there[enough])).max())


def _band(pcm: bytes) -> NDArray[np.float64]:
    """The frequencies that tell voices apart."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    if not len(sound):
        return sound
    spectrum = np.fft.rfft(sound)
    spectrum[: len(sound) * _LOWEST_HZ // CAPTURE_RATE_HZ] = 0.0
    spectrum[len(sound) * _HIGHEST_HZ // CAPTURE_RATE_HZ :] = 0.0
    band: NDArray[np.float64] = np.fft.irfft(spectrum, len(sound))
    return band
