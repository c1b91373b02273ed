"""A linear echo canceller: subtracts what a filter makes of the far end, and touches nothing else. Numpy.

    far end --> filter --> estimated echo --+
    near end ------------------------------(-)--> residual = output
                                             +--> the filter learns from it

WebRTC's canceller (`webrtc_aec.py`) also suppresses what its filter leaves over, and with it half the words of a person
who speaks as loud as the echo. That suits a voice that interrupts a reply, of which the first syllable decides. Here
every word counts, so what is left over stays: 10 to 20 dB below the echo, for others to judge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceloop.echo.far_end import Block
from voiceloop.echo.kalman import BLOCK, FarSpectra, KalmanFilter, Samples, Tuning
from voiceloop.types import CAPTURE_RATE_HZ

_PARTS = 48
"""The filter covers 480 ms: the echo's delay and the room's reverberation."""
_TUNING = Tuning(keeps=0.997, first_doubt=0.05, first_other=0.0, smooth=0.9, caution=1.5, sudden=0.5, cut=4)
_FORGETS = 0.8
_FULL = 32768


class LinearCanceller:
    """A `canceller.Processor`; the far end's rate must be 16 kHz."""

    delay = 0

    def __init__(self) -> None:
        self._far = FarSpectra(_PARTS)
        self._filter = KalmanFilter(_PARTS, _TUNING)
        self._heard = self._left = 0.0  # the latest energies of the near end and of what the filter leaves
        self._gain = 1.0

    def process(self, near: bytes, far: Block) -> bytes:
        """Return 10 ms of the near end without what the filter makes of the far end."""
        if far.rate_hz != CAPTURE_RATE_HZ:
            raise ValueError(f"the far end has {far.rate_hz} Hz, not {CAPTURE_RATE_HZ}")
        self._far.add(_samples(far.pcm))
        heard = _samples(near)
        echo = self._filter.echo(self._far.spectra)
        residual = heard - echo
        self._filter.learn(residual, self._far.spectra, self._far.powers)
        clean = heard - echo * self._share(heard, residual)
        samples: NDArray[np.int16] = np.clip(np.rint(clean * _FULL), -_FULL, _FULL - 1).astype("<i2")
        return samples.tobytes()

    def _share(self, heard: Samples, residual: Samples) -> Samples:
        """How much of the supposed echo to subtract, from 0 to 1 for each sample: nothing where that adds sound, as
        before the filter knows that there is no echo, with headphones."""
        self._heard = _FORGETS * self._heard + float(heard @ heard)
        self._left = _FORGETS * self._left + float(residual @ residual)
        before, self._gain = self._gain, float(self._left <= self._heard)
        return np.linspace(before, self._gain, BLOCK, dtype=np.float32)


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2") * np.float32(1 / _FULL)
