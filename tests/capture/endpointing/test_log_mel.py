"""Whisper's features: the same numbers as those of the code that comes with the network."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceloop.capture.endpointing.log_mel import log_mel

FRAMES = (0, 199, 200, 401, 799)
THEIRS = {
    0: (0.66041, 0.54035, 0.73555, 0.62558, 0.43479),
    1: (0.59886, 0.37105, 0.71806, 0.57875, 0.54544),
    13: (0.38405, 0.32519, 0.72022, 0.42762, 0.41108),
    40: (0.40188, 0.53264, 1.06732, 0.64495, 0.43273),
    79: (0.47842, 0.48320, 0.53048, 0.51370, 1.51060),
}
"""By band, at `FRAMES`: what `compute_whisper_log_mel_features` of pipecat-ai 1.14.0 gives for `sound()`. Its mean over
all is 0.503205, its standard deviation 0.171213."""


def sound() -> NDArray[np.float32]:
    """8 s: noise, and from 2 s on a tone that rises through all bands."""
    time = np.arange(128_000) / 16_000
    noise = np.random.default_rng(7).standard_normal(128_000)
    tone = 0.3 * np.sin(2 * np.pi * (80 + 480 * time) * time) * (time > 2)
    return np.asarray(tone + 0.01 * noise, np.float32)


def test_the_features_are_those_of_the_code_that_comes_with_the_network() -> None:
    found = log_mel(sound())
    assert found.shape == (80, 800)
    assert found.dtype == np.float32
    for band, values in THEIRS.items():
        assert found[band, FRAMES] == pytest.approx(values, abs=2e-5)
    assert found.mean() == pytest.approx(0.503205, abs=1e-5)
    assert found.std() == pytest.approx(0.171213, abs=1e-5)


def test_the_level_of_the_sound_makes_no_difference() -> None:
    assert log_mel(sound() / np.float32(16)) == pytest.approx(log_mel(sound()), abs=1e-3)


def test_silence_has_features_too() -> None:
    found = log_mel(np.zeros(128_000, np.float32))
    assert np.isfinite(found).all()
    assert found.min() == found.max()
