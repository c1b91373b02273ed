"""Whisper's features of a sound: the logarithm of the energy in 80 bands, every 10 ms. Pure.

    sound --mean 0, variance 1--> windows of 25 ms --FFT--> power --80 triangles on the mel scale--> log10, scaled

Source: "Robust Speech Recognition via Large-Scale Weak Supervision", Radford et al., 2022; the scale is Slaney's
("Auditory Toolbox", 1998). No product of matrices is used, because NumPy's would start a thread for each core.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from voiceloop.types import CAPTURE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BANDS = 80
WINDOW, HOP = 400, 160
"""Samples of a window, and from one window to the next."""
_LINEAR_HZ, _LINEAR_MEL, _LOG_STEP = 1_000.0, 15.0, 27.0
"""Slaney's scale is linear up to 1,000 Hz, which is 15 mel; from there on 27 mel are a factor of 6.4."""
_VARIANCE_FLOOR, _POWER_FLOOR = 1e-7, 1e-10
_RANGE = 8.0
"""What is more than 80 dB below the loudest counts as that."""


def log_mel(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features of a sound (float32, mono, 16 kHz, shape (n,)): float32, shape (80, n // 160)."""
    import numpy as np

    level = (sound - sound.mean()) / np.sqrt(sound.var() + np.float32(_VARIANCE_FLOOR))
    padded = np.pad(level, WINDOW // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(sound) // HOP]
    spectrum = np.fft.rfft(windows * _hann())
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    energy = np.stack([np.einsum("tf,f->t", power[:, low : low + len(part)], part) for low, part in _triangles()])
    logs = np.log10(np.maximum(energy, _POWER_FLOOR))
    scaled: NDArray[np.float32] = ((np.maximum(logs, logs.max() - _RANGE) + 4.0) / 4.0).astype(np.float32)
    return scaled


@cache
def _hann() -> NDArray[np.float64]:
    import numpy as np

    window: NDArray[np.float64] = np.hanning(WINDOW + 1)[:-1]
    return window


@cache
def _triangles() -> tuple[tuple[int, NDArray[np.float64]], ...]:
    """For each band the first bin of the spectrum in it, and the weights of its bins; each triangle has the area 1."""
    import numpy as np

    bins = np.linspace(0, CAPTURE_RATE_HZ / 2, WINDOW // 2 + 1)
    edges = _hertz(np.linspace(0, _mel(CAPTURE_RATE_HZ / 2), BANDS + 2))
    found = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        sides = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
        inside = np.flatnonzero(sides > 0)
        found.append((int(inside[0]), sides[inside] * 2 / (high - low)))
    return tuple(found)


def _mel(hertz: float) -> float:
    import numpy as np

    return float(_LINEAR_MEL + np.log(hertz / _LINEAR_HZ) * _LOG_STEP / np.log(6.4))


def _hertz(mels: NDArray[np.float64]) -> NDArray[Any]:
    import numpy as np

    linear = mels * _LINEAR_HZ / _LINEAR_MEL
    steep = _LINEAR_HZ * np.exp((mels - _LINEAR_MEL) * np.log(6.4) / _LOG_STEP)
    return np.where(mels < _LINEAR_MEL, linear, steep)
