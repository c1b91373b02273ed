"""Sound levels: peak and RMS of each 20 ms, packed into one byte each, in steps of half a decibel. Pure."""

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
"""The byte for -127.5 dB and below, and for silence. The byte 0 is full scale."""

_LINEAR = np.append(10.0 ** (-_STEP_DB / 20 * np.arange(QUIETEST)), 0.0)


def packed(pcm: bytes, counts: Sequence[int]) -> tuple[str, str]:
    """Peaks and RMS levels of consecutive pieces of `pcm` (int16, mono), each as base64 of one byte for each piece.

    `counts` are the lengths of the pieces in samples. A piece of 0 samples is silence.
    """
    samples = np.frombuffer(pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2").astype(np.float64)
    peaks, means = [], []
    at = 0
    for count in counts:
        piece = samples[at : at + count]
        at += count
        peaks.append(float(np.abs(piece).max()) if len(piece) else 0.0)
        means.append(float(np.sqrt(np.mean(piece * piece))) if len(piece) else 0.0)
    return _encoded(peaks), _encoded(means)


def _encoded(levels: Sequence[float]) -> str:
    linear = np.maximum(np.array(levels, np.float64) / _FULL_SCALE, 1e-9)
    steps = np.clip(np.rint(-20 * np.log10(linear) / _STEP_DB), 0, QUIETEST)
    return base64.b64encode(steps.astype(np.uint8).tobytes()).decode()


def unpacked(text: str) -> npt.NDArray[np.float64]:
    """Levels, 0 to 1 of full scale, shape `(n,)`. Raises ValueError if `text` is not base64."""
    try:
        return _LINEAR[np.frombuffer(base64.b64decode(text, validate=True), np.uint8)]
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
