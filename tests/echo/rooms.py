"""Sound in a room, for the tests of what listens to an echo."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceloop.audio.wav import read_wav

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
NEAR_HZ, FAR_HZ = 16_000, 24_000
NOISE = 15.0
Sound = NDArray[np.float64]


@cache
def recorded(*names: str, rate_hz: int) -> Sound:
    """Recordings one after the other, as samples of 16 bits. Copy it before you change it."""
    if not ASTERISK.is_dir():
        pytest.skip("needs Debian's recorded prompts")
    parts = [np.frombuffer(read_wav(ASTERISK / f"{name}.wav").at(rate_hz), "<i2") for name in names]
    return np.concatenate(parts).astype(np.float64)


@cache
def echo(*names: str, late_ms: float, gain_db: float = -12.0, decay_s: float = 0.3) -> Sound:
    """What the microphone hears of recordings that are played: a direct path, and the room's decaying noise.
    Copy it before you change it."""
    sound = recorded(*names, rate_hz=NEAR_HZ)
    random = np.random.default_rng(5)
    times_s = np.arange(round(decay_s * NEAR_HZ)) / NEAR_HZ
    room = random.standard_normal(len(times_s)) * 10 ** (-3 * times_s / decay_s) * 0.05
    room[0] = 1.0
    size = 1 << (len(sound) + len(room)).bit_length()
    heard = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: len(sound)] * 10 ** (gain_db / 20)
    delay = np.arange(len(heard)) - late_ms * NEAR_HZ / 1000
    return np.asarray(np.interp(delay, np.arange(len(heard)), heard, left=0.0))


def noise(count: int) -> Sound:
    """The room's own noise."""
    return np.random.default_rng(7).standard_normal(count) * NOISE


def steps(near: Sound, far: Sound) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Both ends in steps of 10 ms, as long as the shorter one."""
    count = min(len(near) // 160, len(far) // 240)
    both = near.astype(np.float32), far.astype(np.float32)
    return [(both[0][160 * n : 160 * (n + 1)], both[1][240 * n : 240 * (n + 1)]) for n in range(count)]
