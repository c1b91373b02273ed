"""The turn-taking benchmark: what it measures in recordings, on synthetic ones."""

from __future__ import annotations

import numpy as np

from bench.turns.figures import Figure, p90
from bench.turns.material import chunk_ends
from bench.turns.measures import Sound, Track, fall, gaps, locate, silent_from

RATE_HZ = 24_000


def voice(seconds: float, seed: int = 1) -> Sound:
    """Noise in place of a voice; another seed gives another one."""
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)) * 3000


def ms(samples: int | None) -> float:
    assert samples is not None
    return samples / RATE_HZ * 1000


def test_the_time_of_a_sample_comes_from_the_chunks_with_the_least_delay() -> None:
    arrivals = [(480 * n, 100.0 + 0.01 * n + (0.5 if n % 7 else 0.0)) for n in range(1, 300)]
    track = Track(np.zeros(240 * 299), RATE_HZ, arrivals)
    assert abs(track.when(24_000) - 101.0) < 0.001
    assert abs(track.index(101.0) - 24_000) <= 24


def test_a_known_sound_is_found_at_any_level() -> None:
    sound = np.concatenate([voice(0.5, 2), voice(0.5, 3) * 0.05, voice(0.5, 4)])
    at, correlation = locate(voice(0.5, 3), sound)
    assert at == 12_000
    assert correlation > 0.999


def test_a_short_moment_without_sound_does_not_count_as_silence() -> None:
    sound = np.concatenate([voice(0.2), np.zeros(1200), voice(0.2), np.zeros(4800)])
    assert silent_from(sound, RATE_HZ) == 4800 + 1200 + 4800
    assert silent_from(voice(0.5), RATE_HZ) is None


def test_a_hold_is_measured_from_the_onset_and_does_not_count_as_ducking() -> None:
    reply = voice(5.0)
    heard = np.concatenate([reply[24_000 : 24_000 * 3], np.zeros(12_000)])
    fell = fall(reply, heard, 24_000 * 2 - 4_800, RATE_HZ)
    assert fell is not None
    assert abs(ms(fell.silent) - 200) < 1
    assert abs(ms(fell.ducked) - 205) <= 15
    assert fell.between == 0


def test_ducking_begins_where_the_level_falls_and_lasts_until_the_silence() -> None:
    reply = voice(5.0)
    heard = reply[24_000 : 24_000 * 3].copy()
    heard[26_400:] *= 0.25
    heard = np.concatenate([heard, np.zeros(12_000)])
    fell = fall(reply, heard, 24_000, RATE_HZ)
    assert fell is not None
    assert abs(ms(fell.ducked) - 105) <= 15
    assert abs(ms(fell.silent) - 1000) < 1
    assert abs(ms(fell.between) - 900) <= 20


def test_another_sound_is_not_mistaken_for_the_reply() -> None:
    assert fall(voice(5.0), voice(3.0, 2), 24_000, RATE_HZ) is None


def test_a_chunk_is_complete_with_the_token_of_its_last_word() -> None:
    tokens = ["Please", " hold", ",", " Anna", ". ", "Thank", " you."]
    assert chunk_ends(tokens, "Please hold,") == 1
    assert chunk_ends(tokens, "Please hold, Anna.") == 3
    assert chunk_ends(tokens, "Thank you.") == 6
    assert chunk_ends(tokens, "Goodbye.") is None


def test_a_figure_shows_its_median_range_and_ninetieth_percentile() -> None:
    assert p90([5.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0]) == 9.0
    line = Figure("x", "ms", "≤ 5 ms", values=[1.0, 2.0, 9.0]).line()
    assert "2 ms (1 to 9, p90 9, n 3)" in line
    assert "not measured" in Figure("x", "ms", "").line()


def test_gaps_are_found_anywhere_in_a_reply() -> None:
    reply = voice(2.0)
    torn = np.concatenate([np.zeros(5000), reply[:12_000], np.zeros(960), reply[12_000:30_300], np.zeros(2400)])
    torn = np.concatenate([torn, reply[30_300:], np.zeros(5000)])
    found = gaps(reply, torn, RATE_HZ)
    assert found is not None
    assert [round(gap, 3) for gap in found if gap] == [0.04, 0.1]


def test_a_complete_reply_has_no_gaps_and_half_a_reply_is_not_measured() -> None:
    reply = voice(2.0)
    assert not any(gaps(reply, np.concatenate([np.zeros(5000), reply, np.zeros(5000)]), RATE_HZ) or [1])
    assert gaps(reply, np.concatenate([reply[:24_000], np.zeros(30_000)]), RATE_HZ) is None
