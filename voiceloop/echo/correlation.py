"""A detector, by cross-correlation, of whether the microphone heard the loudspeaker. Pure.

Speech over a reply holds the reply. If that speech was the reply's own echo, it stops when the reply is held, and it is
a copy of what was played last, only later and quieter. A person's voice is never such a copy, whatever the words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.types import CAPTURE_RATE_HZ

OWN_VOICE = 0.65
"""A clip with at least this correlation is an echo. In the hardest case, the first words of recorded prompts against
replies by the same speaker, the correlation is 0.18 (99 % below 0.5, at most 0.63); for a plain echo it is 0.99; for an
echo with much reverberation 0.5, which is left to the canceller (`tests/echo/test_correlation.py`)."""
_LOWEST_HZ = 500
"""Below this, rooms and cancellers shift the phase, and all voices are similar."""
_HIGHEST_HZ = 3_400


def correlation(*, heard: bytes, played: bytes) -> float:
    """Return the largest normalised cross-correlation of `heard` with any part of `played`, from 0 to 1.

    Gain and delay play no part. Both clips: int16, mono, 16 kHz, up to some seconds (6 ms of work for two seconds).
    """
    clip, source = _band(heard), _band(played)
    energy = float(np.square(clip).sum())
    if not energy or not np.square(source).any():
        return 0.0
    size = 1 << (len(clip) + len(source)).bit_length()
    product = np.fft.irfft(np.fft.rfft(source, size) * np.conj(np.fft.rfft(clip, size)), size)
    lags = np.arange(1 - len(clip), len(source))
    power = np.concatenate([[0.0], np.cumsum(np.square(source))])
    overlap = power[np.clip(lags + len(clip), 0, len(source))] - power[np.clip(lags, 0, len(source))]
    # Only lags at which the overlapping part of `played` has enough energy: a tiny overlap correlates with anything.
    enough = overlap > 0.25 * overlap.max()
    return float(np.abs(product[lags][enough] / np.sqrt(energy * overlap[enough])).max())


def _band(pcm: bytes) -> NDArray[np.float64]:
    """Return the samples with only the frequencies that tell voices apart (500 to 3400 Hz)."""
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    if not len(sound):
        return sound
    spectrum = np.fft.rfft(sound)
    spectrum[: len(sound) * _LOWEST_HZ // CAPTURE_RATE_HZ] = 0.0
    spectrum[len(sound) * _HIGHEST_HZ // CAPTURE_RATE_HZ :] = 0.0
    band: NDArray[np.float64] = np.fft.irfft(spectrum, len(sound))
    return band
