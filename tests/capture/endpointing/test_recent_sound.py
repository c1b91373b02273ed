"""The window of sound before a pause."""

from __future__ import annotations

import numpy as np
import pytest

from voiceloop.capture.endpointing.recent_sound import QUIET, WINDOW, RecentSound
from voiceloop.types import FRAME_SAMPLES, Frame


def heard(samples: int, *, first: int = 0, step: int = FRAME_SAMPLES) -> RecentSound:
    """Sound whose every sample says its own index, modulo 30,000."""
    recent = RecentSound()
    pcm = (np.arange(first, first + samples) % 30_000).astype("<i2").tobytes()
    for at in range(0, samples, step):
        recent.hear(Frame(pcm[2 * at : 2 * (at + step)], first + at))
    return recent


def indices(recent: RecentSound, pause: int) -> list[int]:
    window = recent.before(pause)
    assert window.shape == (WINDOW,)
    assert window.dtype == np.float32
    return [round(float(value) * 32768) for value in window]


def test_a_window_ends_a_little_after_the_voice_whatever_has_come_since() -> None:
    recent = heard(200_000)
    end = 198_000 + QUIET
    assert indices(recent, 198_000) == [index % 30_000 for index in range(end - WINDOW, end)]
    assert indices(recent, 190_000)[-1] == (190_000 + QUIET - 1) % 30_000


def test_how_the_sound_was_cut_into_frames_makes_no_difference() -> None:
    assert indices(heard(150_000, step=77), 149_000) == indices(heard(150_000), 149_000)


def test_at_the_start_of_the_program_there_is_silence_in_front() -> None:
    found = indices(heard(12_000, first=500), 9_000)
    assert found[: WINDOW - 8_500 - QUIET] == [0] * (WINDOW - 8_500 - QUIET)
    assert found[-1] == 9_000 + QUIET - 1


def test_a_pause_just_now_has_less_quiet() -> None:
    assert indices(heard(10_000), 9_990)[-1] == 9_999


def test_what_was_not_listened_to_is_silence() -> None:
    recent = heard(16_000)
    loud = np.full(16_000, 99, "<i2").tobytes()
    recent.hear(Frame(loud, 16_000), muted=True)
    assert set(indices(recent, 31_000)[-14_000:]) == {0}


def test_after_a_gap_it_begins_anew() -> None:
    recent = heard(16_000)
    recent.hear(Frame(np.full(320, 99, "<i2").tobytes(), 50_000))
    found = indices(recent, 50_300)
    assert found[-320:] == [99] * 320
    assert set(found[:-320]) == {0}


@pytest.mark.parametrize("pause", [0, 100_000])
def test_without_any_sound_the_window_is_silent(pause: int) -> None:
    assert not RecentSound().before(pause).any()
