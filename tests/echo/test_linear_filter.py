"""The linear filter: what it takes of an echo, and what it leaves of a person."""

from __future__ import annotations

import numpy as np
import pytest

from tests.echo.rooms import FAR_HZ, NEAR_HZ, Sound, echo, noise, recorded, steps
from voiceloop.echo.linear_filter import LinearFilter

REPLY = ("vm-nobodyavail", "queue-thankyou", "conf-onlyperson", "tt-weasels")
LATE_MS = 60.0
LAG = 4
"""In steps of 10 ms: a little less than the echo is late."""


def left_of(near: Sound, far: Sound, *, lag: int | None = LAG, rate_hz: int = FAR_HZ) -> Sound:
    """What the filter leaves of the near end."""
    linear, size = LinearFilter(), rate_hz // 100
    count = min(len(near) // 160, len(far) // size)
    both = near.astype(np.float32), far.astype(np.float32)
    parts = [
        linear.feed(both[0][160 * n : 160 * (n + 1)], both[1][size * n : size * (n + 1)], lag) for n in range(count)
    ]
    return np.concatenate(parts).astype(np.float64)


def level(sound: Sound) -> float:
    return float(10 * np.log10(np.square(sound).mean() + 1e-9))


@pytest.mark.parametrize("rate_hz", [16_000, 22_000, 24_000, 48_000])
def test_most_of_an_echo_is_taken_at_any_rate_of_the_loudspeaker(rate_hz: int) -> None:
    near = echo(*REPLY, late_ms=LATE_MS) + noise(len(echo(*REPLY, late_ms=LATE_MS)))
    left = left_of(near, recorded(*REPLY, rate_hz=rate_hz), rate_hz=rate_hz)
    learned = 2 * NEAR_HZ
    assert level(near[learned : len(left)]) - level(left[learned:]) > 10


def test_a_person_stays_as_they_are() -> None:
    near = echo(*REPLY, late_ms=LATE_MS, gain_db=0.0).copy()
    voice, at = recorded("please-try-call-later", rate_hz=NEAR_HZ), 4 * NEAR_HZ
    near[at : at + len(voice)] += voice
    left = left_of(near, recorded(*REPLY, rate_hz=FAR_HZ))[at : at + len(voice)]
    assert np.corrcoef(left, voice[: len(left)])[0, 1] > 0.9
    assert abs(level(left) - level(voice)) < 2


def test_until_the_echo_was_found_nothing_is_taken() -> None:
    near = echo(*REPLY, late_ms=LATE_MS)
    left = left_of(near, recorded(*REPLY, rate_hz=FAR_HZ), lag=None)
    assert np.array_equal(left, near[: len(left)].astype(np.float32))


@pytest.mark.parametrize("moved", [-3, -1, 1, 2])
def test_what_was_learned_moves_with_the_place_in_the_far_end(moved: int) -> None:
    near, far = echo(*REPLY, late_ms=LATE_MS + 20), recorded(*REPLY, rate_hz=FAR_HZ)
    energies = []
    for lag in (LAG, LAG + moved):
        linear, energy = LinearFilter(), 0.0
        for n, (heard, played) in enumerate(steps(near, far)[:450]):
            left = linear.feed(heard, played, LAG if n < 400 else lag)
            energy += float(left @ left) if n >= 400 else 0.0
        energies.append(energy)
    assert energies[1] < 4 * energies[0]  # 20 times as much where it does not move along


def test_digital_silence_and_full_scale_are_taken() -> None:
    linear = LinearFilter()
    for size in (0.0, 32_767.0, -32_768.0, 0.0):
        for _ in range(30):
            left = linear.feed(np.full(160, size, np.float32), np.full(240, size, np.float32), LAG)
            assert np.isfinite(left).all()
