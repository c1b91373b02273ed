"""The engines benchmark: noise, the room, and the material that is heard in them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.engines.conditions import DISTANCE_M, RT60_S, far, impulse_response, noisy, reverberation_s, speech_db
from bench.engines.material import Clip, of_length
from bench.vad.material import RATE_HZ, Sound, pink, white


def voice(seconds: float = 1.0, *, pause_s: float = 0.0, seed: int = 1) -> Sound:
    """Noise in place of a voice, at an RMS of 0.1, with a pause after it."""
    sound = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)) * 0.1
    return np.concatenate([sound, np.zeros(round(pause_s * RATE_HZ))])


def test_the_level_of_speech_does_not_depend_on_its_pauses() -> None:
    assert speech_db(voice()) == pytest.approx(-20, abs=0.1)
    assert speech_db(voice(pause_s=5)) == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize("noise", [white, pink])
@pytest.mark.parametrize("snr_db", [20, 10])
def test_noise_is_as_far_below_the_speech_as_stated(noise: object, snr_db: float) -> None:
    sound = voice(3, pause_s=4)
    added = noisy(noise, snr_db)(sound, 1) - sound  # type: ignore[arg-type]
    level_db = 10 * np.log10(np.mean(added**2))
    assert level_db == pytest.approx(speech_db(sound) - snr_db, abs=1.0)


def test_noise_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    heard = noisy(white, 10)
    assert np.array_equal(heard(voice(), 1), heard(voice(), 1))
    assert not np.array_equal(heard(voice(), 1), heard(voice(), 2))


def test_the_direct_sound_comes_first_and_from_the_stated_distance() -> None:
    response = impulse_response(RT60_S)
    assert np.argmax(np.abs(response)) == round(DISTANCE_M / 343 * RATE_HZ)
    before = np.abs(response[: round(DISTANCE_M / 343 * RATE_HZ) - 20])
    assert before.max() < np.abs(response).max() / 100


@pytest.mark.parametrize("rt60_s", [0.3, 0.4, 0.6])
def test_the_room_falls_silent_as_fast_as_stated(rt60_s: float) -> None:
    assert reverberation_s(impulse_response(rt60_s)) == pytest.approx(rt60_s, rel=0.02)


def test_reverberation_of_a_known_decay_is_measured_rightly() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    decay = np.random.default_rng(1).standard_normal(RATE_HZ) * 10 ** (-3 * t / 0.5)
    assert reverberation_s(decay) == pytest.approx(0.5, rel=0.05)


def test_a_voice_across_the_room_keeps_its_level_and_rings_on() -> None:
    sound = voice()
    wet = far(sound)
    assert speech_db(wet) == pytest.approx(speech_db(sound), abs=0.01)
    assert len(wet) > len(sound) + 0.3 * RATE_HZ
    tail = wet[len(sound) + 300 :]
    assert np.sqrt(np.mean(tail[:800] ** 2)) > 10 * np.sqrt(np.mean(tail[4800:5600] ** 2))


def test_clips_of_a_length_are_exactly_as_long_and_all_different() -> None:
    clips = [Clip(str(seed), voice(seed=seed), "") for seed in range(23)]
    sounds = of_length(clips, 2.5, 10)
    assert [len(sound) for sound in sounds] == [40_000] * 10
    assert len({sound[:RATE_HZ].tobytes() for sound in sounds}) == 10


def test_more_sound_than_there_is_can_not_be_asked_for() -> None:
    with pytest.raises(ValueError, match="16000 samples only, not 32000"):
        of_length([Clip("a", voice(), "")], 2, 1)
