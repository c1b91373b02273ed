"""The mixer of channels: inverted channels don't cancel each other, and ordinary ones keep their mean."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiceloop.audio.mixing import Mixer
from voiceloop.types import CAPTURE_RATE_HZ

RATE_HZ = 1_000
_noise = np.random.default_rng(1)
VOICE = _noise.integers(-20_000, 20_000, 40_000).astype("<i2")
NOISE = _noise.integers(-8_000, 8_000, (1_730, 3)).astype("<i2")


def mixed(samples: NDArray[np.int16], rate_hz: int = CAPTURE_RATE_HZ) -> NDArray[np.int16]:
    mixer = Mixer(samples.shape[1], rate_hz)
    return np.frombuffer(mixer.feed(samples) + mixer.end(), "<i2")


def stereo(left: NDArray[np.int16], right: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.stack((left, right), axis=1)


def test_inverted_stereo_is_as_loud_as_one_of_its_channels() -> None:
    assert np.array_equal(mixed(stereo(VOICE, -VOICE)), VOICE)


def test_speech_behind_silence_is_found_where_it_begins() -> None:
    quiet = np.zeros(7 * CAPTURE_RATE_HZ, "<i2")
    sound = np.concatenate((quiet, VOICE))
    assert np.array_equal(mixed(stereo(-sound, sound)), -sound)


def test_channels_that_are_alike_or_independent_keep_their_mean() -> None:
    assert np.array_equal(mixed(stereo(VOICE, VOICE)), VOICE)
    half = np.rint(NOISE.astype(np.float32) @ np.ones(3, np.float32) / 3)
    assert np.array_equal(mixed(NOISE, RATE_HZ), half)


def test_one_silent_channel_leaves_the_other() -> None:
    assert np.array_equal(mixed(stereo(np.zeros_like(VOICE), VOICE)), np.rint(VOICE / 2))


def test_the_loudest_samples_turned_round_are_clipped() -> None:
    low = np.full(RATE_HZ, -32_768, "<i2")
    high = np.full(RATE_HZ, 32_767, "<i2")
    assert set(mixed(stereo(high, low), RATE_HZ)) == {32_767}


def test_an_inverted_channel_among_six_is_turned_round() -> None:
    six = np.stack((VOICE, VOICE, -VOICE, VOICE, VOICE, VOICE), axis=1)
    assert np.array_equal(mixed(six), VOICE)


@given(cuts=st.lists(st.integers(0, 1_730), max_size=6), channels=st.integers(1, 3))
def test_where_the_samples_are_cut_changes_nothing(cuts: list[int], channels: int) -> None:
    samples = NOISE[:, :channels].copy()
    samples[:, -1] -= samples[:, 0] // 2
    mixer = Mixer(channels, RATE_HZ)
    places = [0, *sorted(cuts), len(samples)]
    pieces = [mixer.feed(samples[a:b]) for a, b in pairwise(places)]
    assert np.array_equal(np.frombuffer(b"".join([*pieces, mixer.end()]), "<i2"), mixed(samples, RATE_HZ))


@pytest.mark.parametrize("channels", [1, 64])
def test_any_number_of_channels_is_mixed(channels: int) -> None:
    samples = np.repeat(VOICE[:, None], channels, axis=1)
    assert np.array_equal(mixed(samples), VOICE)
