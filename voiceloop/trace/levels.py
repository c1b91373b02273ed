"""Sound as levels: a peak and an RMS for every 20 ms, a byte each, half a decibel a step. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voiceloop.types import SAMPLE_BYTES

_STEP_DB = 0.5
_FULL_SCALE = 32_768.0
QUIETEST = 255
"""-127.5 dB, and silence itself. 0 is full scale."""

_LINEAR = np.append(10.0 ** (-_STEP_DB / 20 * np.arange(QUIETEST)), 0.0)


def packed(pcm: bytes, counts: Sequence[int]) -> tuple[str, str]:
    """Peak and RMS of each stretch of `pcm` (int16, mono), `counts` samples long one after the other; base64 of bytes.

    A stretch of no samples is silence.
    """
    samples = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2").astype(np.float64)
    peaks, means = [], []
    at = 0
    for count in counts:
        stretch = samples[at : at + count]
        at += count
        peaks.append(float(np.abs(stretch).max()) if len(stretch) else 0.0)
        means.append(float(np.sqrt(np.mean(stretch * stretch))) if len(stretch) else 0.0)
    return _encoded(peaks), _encoded(means)


def _encoded(levels: Sequence[float]) -> str:
    linear = np.maximum(np.array(levels, np.float64) / _FULL_SCALE, 1e-9)
    steps = np.clip(np.rint(-20 * np.log10(linear) / _STEP_DB), 0, QUIETEST)
    return base64.b64encode(steps.astype(np.uint8).tobytes()).decode()


def unpacked(text: str) -> npt.NDArray[np.float64]:
    """Levels, 0 to 1 of full scale. Raises ValueError when `text` isn't base64."""
    try:
        return _LINEAR[np.frombuffer(base64.b64decode(text, validate=True), np.uint8)]
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
