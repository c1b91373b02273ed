"""A linear echo canceller: subtracts what a filter makes of the far end, and touches nothing else. Numpy.

    far end --> filter --> estimated echo --+
    near end ------------------------------(-)--> residual = output
                                             +--> the filter learns from it

WebRTC's canceller (`webrtc_aec.py`) also suppresses what its filter leaves over, and with it half the words of a person
who speaks as loud as the echo. That suits a voice that interrupts a reply, of which the first syllable decides. Here
every word counts, so what is left over stays: 10 to 20 dB below the echo, for others to judge.

The filter is a partitioned-block frequency-domain Kalman filter (Kuech, Mabande and Enzner, "State-space architecture
of the partitioned-block-based acoustic echo controller", ICASSP 2014). Its step follows from how sure each part of the
filter is, and how loud everything but the echo: so it holds still while a person speaks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from voiceloop.echo.far_end import Block
from voiceloop.types import CAPTURE_RATE_HZ

_STEP = 160
"""10 ms at 16 kHz."""
_PARTITIONS = 48
"""The filter covers 480 ms: the echo's delay and the room's reverberation."""
_BINS = _STEP + 1
_CONSTRAINED = 4
"""So many partitions a step are cut back to 10 ms. Cutting all of them gains nothing."""
_KEEPS = 0.997**2
"""How much of what was learned still holds a step later."""
_UNSURE = 0.05
"""How unsure the filter is at first. More learns a loud echo faster, and a faint one worse."""
_OTHER = 1.5
_SMOOTHING = 0.9
_FORGETS = 0.8


class LinearCanceller:
    """A `canceller.Processor`; the far end's rate must be 16 kHz."""

    delay = 0

    def __init__(self) -> None:
        self._played = np.zeros(2 * _STEP)
        self._far = np.zeros((_PARTITIONS, _BINS), np.complex64)  # spectra, the newest first
        self._far_power = np.zeros((_PARTITIONS, _BINS), np.float32)
        self._filter = np.zeros((_PARTITIONS, _BINS), np.complex64)
        self._variance = np.full((_PARTITIONS, _BINS), _UNSURE, np.float32)
        self._other: NDArray[np.floating[Any]] = np.zeros(_BINS, np.float32)  # the power of all that is not explained
        self._constrained = 0
        self._heard = self._left = 0.0  # the latest energies of the near end and of what the filter leaves
        self._gain = 1.0

    def process(self, near: bytes, far: Block) -> bytes:
        """Return 10 ms of the near end without what the filter makes of the far end."""
        if far.rate_hz != CAPTURE_RATE_HZ:
            raise ValueError(f"the far end has {far.rate_hz} Hz, not {CAPTURE_RATE_HZ}")
        self._played = np.concatenate([self._played[_STEP:], np.frombuffer(far.pcm, "<i2") / 32768])
        self._far[1:] = self._far[:-1]
        self._far[0] = np.fft.rfft(self._played)
        self._far_power[1:] = self._far_power[:-1]
        self._far_power[0] = _power(self._far[0])
        echo = np.fft.irfft((self._filter * self._far).sum(0))[_STEP:]
        heard = np.frombuffer(near, "<i2") / 32768
        residual = heard - echo
        self._learn(residual)
        clean = heard - echo * self._share(heard, residual)
        return np.clip(np.rint(clean * 32768), -32768, 32767).astype("<i2").tobytes()

    def _share(self, heard: NDArray[np.float64], residual: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of the supposed echo to subtract, from 0 to 1 for each sample: nothing where that adds sound, as
        before the filter knows that there is no echo, with headphones."""
        self._heard = _FORGETS * self._heard + float(heard @ heard)
        self._left = _FORGETS * self._left + float(residual @ residual)
        before, self._gain = self._gain, float(self._left <= self._heard)
        return np.linspace(before, self._gain, _STEP)

    def _learn(self, residual: NDArray[np.float64]) -> None:
        error = np.fft.rfft(np.concatenate([np.zeros(_STEP), residual]))
        power = _power(error)
        self._other = _SMOOTHING * self._other + (1 - _SMOOTHING) * power
        # The whole of it, although half of a window is the block before: with half the step would be at the limit of
        # stability, and the filter's first second louder than an echo, also where there is none.
        explained = (self._variance * self._far_power).sum(0)
        others = _OTHER * np.maximum(self._other, 0.5 * power) + 1e-10
        step = self._variance / (explained + others).astype(np.float32)
        # Half of a window is the block before, hence the factor of 0.5.
        self._variance *= _KEEPS * (1 - 0.5 * step * self._far_power)
        self._variance += (1 - _KEEPS) * _power(self._filter)
        self._filter += np.conj(self._far) * (step * error.astype(np.complex64))
        self._constrain()

    def _constrain(self) -> None:
        """Cut the next partitions back to 10 ms."""
        some = slice(self._constrained, self._constrained + _CONSTRAINED)
        responses = np.fft.irfft(self._filter[some])
        responses[:, _STEP:] = 0.0
        self._filter[some] = np.fft.rfft(responses)
        self._constrained = some.stop % _PARTITIONS


def _power(spectrum: NDArray[np.complexfloating[Any, Any]]) -> NDArray[np.floating[Any]]:
    power: NDArray[np.floating[Any]] = spectrum.real**2 + spectrum.imag**2
    return power
