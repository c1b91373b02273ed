"""The linear echo canceller: how much of an echo it removes, and that it leaves a voice as it is."""

from __future__ import annotations

import numpy as np
import pytest

from tests.echo.rooms import NEAR_HZ, Sound, echo, noise, recorded
from voiceloop.echo.far_end import Block
from voiceloop.echo.linear import LinearCanceller

FILM = ("demo-congrats",)


def cancelled(near: Sound, far: Sound) -> Sound:
    """What is left of the near end."""
    canceller, out = LinearCanceller(), []
    for at in range(0, len(near) - 159, 160):
        heard, played = (sound[at : at + 160].astype("<i2").tobytes() for sound in (near, far))
        out.append(np.frombuffer(canceller.process(heard, Block(played, NEAR_HZ)), "<i2"))
    return np.concatenate(out).astype(np.float64)


def level(sound: Sound) -> float:
    return float(10 * np.log10(np.square(sound).mean() + 1e-9))


@pytest.mark.parametrize(("late_ms", "gain_db"), [(60, -12.0), (250, 0.0)])
def test_of_an_echo_little_is_left_after_three_seconds(late_ms: float, gain_db: float) -> None:
    far = recorded(*FILM, rate_hz=NEAR_HZ)[: 12 * NEAR_HZ]
    near = echo(*FILM, late_ms=late_ms, gain_db=gain_db)[: len(far)] + noise(len(far))
    left = cancelled(near, far)
    assert level(near[4 * NEAR_HZ : len(left)]) - level(left[4 * NEAR_HZ :]) > 12


def test_a_voice_as_loud_as_the_echo_is_left_as_it_is() -> None:
    far = recorded(*FILM, rate_hz=NEAR_HZ)[: 12 * NEAR_HZ]
    near = echo(*FILM, late_ms=60, gain_db=0.0)[: len(far)] + noise(len(far))
    voice = recorded("vm-nobodyavail", rate_hz=NEAR_HZ)
    start = 6 * NEAR_HZ
    near[start : start + len(voice)] += voice
    left = cancelled(near, far)[start : start + len(voice)]
    assert level(voice) - level(left - voice) > 8, "what differs from the voice is far below it"
    assert np.corrcoef(left, voice)[0, 1] > 0.9


def test_without_a_far_end_nothing_changes() -> None:
    near = np.rint(recorded("vm-nobodyavail", rate_hz=NEAR_HZ))
    near = near[: len(near) // 160 * 160]
    assert np.array_equal(cancelled(near, np.zeros(len(near))), near)


def test_a_far_end_at_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="24000 Hz, not 16000"):
        LinearCanceller().process(bytes(320), Block(bytes(480), 24_000))


def test_with_headphones_the_film_is_not_added_to_a_quiet_room() -> None:
    far = recorded(*FILM, rate_hz=NEAR_HZ)[: 4 * NEAR_HZ]
    near = np.rint(noise(len(far)))
    left = cancelled(near, far)
    louder = [level(left[at : at + 1600]) - level(near[at : at + 1600]) for at in range(0, len(left) - 1600, 1600)]
    assert max(louder) < 3
