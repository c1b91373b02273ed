"""The measuring of an echo: the sound, and what is found in rooms that are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.echo.loudspeaker import RATE, Loudspeaker
from voiceloop.audio.loudness import levels_dbfs
from voiceloop.audio.resample import resample
from voiceloop.echo.canceller import Canceller, Nothing, Processor
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.measuring import QUIET_S, REVERBERATES_S, SOUND_S, Measured, Measuring, measuring_sound
from voiceloop.echo.webrtc_aec import installed, open_processor
from voiceloop.types import Frame, Gap, GapReason

needs_livekit = pytest.mark.skipif(not installed(), reason="needs the extra voiceloop[echo]")
Sound = NDArray[np.float64]
NOISE_DBFS = -66.0
LATE_S = 0.02
"""How long after the sound begins the loudspeaker's device takes its first sample."""


def noise(seconds: float, dbfs: float, seed: int = 1) -> Sound:
    level = 32_768 * 10 ** (dbfs / 20)
    return np.random.default_rng(seed).standard_normal(round(seconds * 16_000)) * level


def heard(*, late_ms: float, gain_db: float, later_ms: float = 0.0, later_from_s: float = 9.0) -> Sound:
    """The echo of the sound, from its beginning on. From `later_from_s` on it comes `later_ms` later."""
    sound = np.frombuffer(resample(measuring_sound(RATE), from_hz=RATE, to_hz=16_000), "<i2").astype(float)
    echo = np.zeros(round((SOUND_S + 2) * 16_000))
    at = round(late_ms * 16)
    echo[at : at + len(sound)] = sound
    if later_ms:
        moved, since = np.roll(echo, round(later_ms * 16)), round(later_from_s * 16_000)
        echo[since:] = moved[since:]
    return echo * 10 ** (gain_db / 20)


def measured_in(
    room: Sound, *, late_ms: float = 0.0, processor: Processor | None = None, noise_dbfs: float | None = NOISE_DBFS
) -> tuple[Measured, float]:
    """Measure as the check does. `room`: what the microphone hears from the sound's beginning on, besides the noise. It
    ends `late_ms` after the sound. Returns the result, and for how long the sound was played."""
    loudspeaker = Loudspeaker()
    measuring = Measuring(Canceller(processor or Nothing(), FarEnd(loudspeaker), lambda index: index / 16_000))
    sound = bytes(round(LATE_S * RATE) * 2) + measuring_sound(RATE)
    room = np.concatenate([np.zeros(round(LATE_S * 16_000)), room])
    taken = b""
    begun = ended = None
    number = 0
    while ended is None or number < ended + REVERBERATES_S * 100:
        since = 0 if begun is None else number - begun
        playing = begun is not None and ended is None
        pcm = sound[480 * since : 480 * (since + 1)].ljust(480, b"\0") if playing else bytes(480)
        loudspeaker.play(pcm)
        taken += pcm
        near = noise(0.01, noise_dbfs, number) if noise_dbfs is not None else np.zeros(160)
        if begun is not None:
            here = room[160 * since : 160 * (since + 1)]
            if ended is not None and since >= ended - begun + late_ms / 10:
                here = here[:0]
            near[: len(here)] += here
        measuring.take(Frame(near.clip(-32_768, 32_767).astype("<i2").tobytes(), 160 * number))
        number += 1
        if begun is None and measuring.heard_s >= QUIET_S:
            begun = number
            measuring.begin()
        elif begun is not None and ended is None and (measuring.enough or number - begun >= SOUND_S * 100):
            ended = number
    assert begun is not None
    return measuring.measured(taken, RATE), (ended - begun) / 100


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 192_000])
def test_the_sound_begins_softly_stays_below_a_voice_and_ends_without_a_click(rate_hz: int) -> None:
    sound = measuring_sound(rate_hz)
    assert len(sound) == 2 * round(SOUND_S * rate_hz)
    levels = levels_dbfs(sound, rate_hz)
    assert levels[:5].max() < -45
    assert levels[50:-5].mean() == pytest.approx(-24, abs=1)
    samples = np.frombuffer(sound, "<i2")
    assert np.abs(samples).max() < 32_768 * 10 ** (-9 / 20)
    assert abs(int(samples[0])) + abs(int(samples[-1])) < 100
    assert sound == measuring_sound(rate_hz), "always the same"


@needs_livekit
@pytest.mark.parametrize(("gain_db", "late_ms"), [(-12.0, 60.0), (0.0, 200.0), (6.0, 300.0), (-24.0, 25.0)])
def test_delay_loudness_and_what_is_removed_are_found_in_about_a_second(gain_db: float, late_ms: float) -> None:
    found, seconds = measured_in(heard(late_ms=late_ms, gain_db=gain_db), late_ms=late_ms, processor=open_processor())
    assert found.copy
    assert found.delay_ms == pytest.approx(late_ms, abs=2)
    assert found.gain_db == pytest.approx(gain_db, abs=1)
    assert found.over_noise_db == pytest.approx(-24 + gain_db - NOISE_DBFS, abs=3)
    assert found.removed_db > min(20, found.over_noise_db - 8)
    assert found.left_db == pytest.approx(found.over_noise_db - found.removed_db, abs=0.1)
    assert (found.shifts, found.silent, found.clips) == (0, False, False)
    assert seconds < 1.6


def test_without_a_canceller_nothing_is_removed_and_all_the_rest_is_known() -> None:
    found, _ = measured_in(heard(late_ms=60, gain_db=-12), late_ms=60)
    assert found.removed_db == pytest.approx(0, abs=0.1)
    assert found.copy
    assert found.delay_ms == pytest.approx(60, abs=2)
    assert found.gain_db == pytest.approx(-12, abs=1)
    assert found.echo_only > 0.9


@pytest.mark.parametrize("noise_dbfs", [-66.0, -30.0, None])
def test_where_no_echo_comes_none_is_heard_and_the_sound_ends_soon(noise_dbfs: float | None) -> None:
    found, seconds = measured_in(np.zeros(100), noise_dbfs=noise_dbfs)
    assert not found.copy
    assert found.over_noise_db < 3
    assert found.silent is (noise_dbfs is None)
    assert seconds < 1.7


def test_an_echo_below_the_rooms_noise_is_heard_and_has_no_loudness() -> None:
    found, _ = measured_in(heard(late_ms=60, gain_db=-36), noise_dbfs=-48)
    assert found.copy
    assert found.gain_db is None
    assert found.delay_ms in (None, pytest.approx(60, abs=2))


def test_other_noise_that_begins_meanwhile_is_no_copy() -> None:
    found, seconds = measured_in(noise(SOUND_S + 2, -30, seed=9))
    assert not found.copy
    assert found.over_noise_db > 20
    assert seconds == SOUND_S, "it was listened to for as long as possible"


def test_an_echo_that_comes_too_late_is_a_copy_without_a_delay() -> None:
    found, seconds = measured_in(heard(late_ms=550, gain_db=-6))
    assert found.copy
    assert found.delay_ms is None
    assert seconds == SOUND_S


def test_an_echo_whose_delay_changes_is_followed_and_that_is_counted() -> None:
    found, _ = measured_in(heard(late_ms=60, gain_db=-6, later_ms=25, later_from_s=0.75))
    assert found.shifts == 1
    assert found.delay_ms == pytest.approx(85, abs=2)


def test_an_echo_too_loud_for_the_microphone_is_told() -> None:
    found, _ = measured_in(heard(late_ms=60, gain_db=24))
    assert found.clips
    assert found.copy


def test_a_gap_in_the_microphones_sound_is_told() -> None:
    measuring = Measuring(Canceller(Nothing(), FarEnd(Loudspeaker()), lambda index: index / 16_000))
    measuring.take(Frame(bytes(640), 0))
    assert measuring.gap is None
    measuring.take(Gap(320, GapReason.LOST))
    assert measuring.gap is GapReason.LOST


def test_frames_of_any_length_are_measured_alike() -> None:
    pcm = (noise(1.0, -40)).astype("<i2").tobytes()
    results = []
    for cut in (320, 2 * 37, 2 * 401):
        measuring = Measuring(Canceller(Nothing(), FarEnd(Loudspeaker()), lambda index: index / 16_000))
        for at in range(0, len(pcm), cut):
            measuring.take(Frame(pcm[at : at + cut], at // 2))
        measuring.begin()
        results.append(measuring.measured(b"", RATE))
    assert results[0] == results[1] == results[2]
    assert not results[0].copy
