"""The tracker of the echo's delay: on recorded voices in a room."""

from __future__ import annotations

import numpy as np
import pytest

from tests.echo.rooms import FAR_HZ, NEAR_HZ, Sound, echo, noise, recorded, steps
from voiceloop.echo.delay import DelayTracker

REPLY = ("vm-nobodyavail", "queue-thankyou", "conf-onlyperson")


def changes(tracker: DelayTracker, near: Sound, far: Sound) -> list[tuple[float, float]]:
    """When the tracker told of a change, in seconds, and by how many ms."""
    found = []
    for number, (heard, played) in enumerate(steps(near, far)):
        if change_s := tracker.feed(heard, played):
            found.append((number / 100, change_s * 1000))
    return found


def moved(*, by_ms: float, at_s: float, late_ms: float = 70.0) -> Sound:
    """An echo that comes later by `by_ms` from `at_s` on."""
    at = round(at_s * NEAR_HZ)
    return np.concatenate([echo(*REPLY, late_ms=late_ms)[:at], echo(*REPLY, late_ms=late_ms + by_ms)[at:]])


@pytest.mark.parametrize("late_ms", [12.0, 70.0, 210.0, 300.0])
@pytest.mark.parametrize("gain_db", [0.0, -20.0])
def test_a_constant_delay_is_measured_and_no_change_is_told(late_ms: float, gain_db: float) -> None:
    tracker = DelayTracker()
    near = echo(*REPLY, late_ms=late_ms, gain_db=gain_db)
    assert changes(tracker, near + noise(len(near)), recorded(*REPLY, rate_hz=FAR_HZ)) == []
    assert tracker.delay_s is not None
    assert tracker.delay_s * 1000 == pytest.approx(late_ms, abs=0.3)


@pytest.mark.parametrize("by_ms", [-9.0, 9.0, 25.0, -40.0, 0.6])
def test_a_change_is_told_once_within_half_a_second_of_sound(by_ms: float) -> None:
    at_s = 3.0
    near = moved(by_ms=by_ms, at_s=at_s)
    far = recorded(*REPLY, rate_hz=FAR_HZ)
    tracker = DelayTracker()
    told = []
    for number, (heard, played) in enumerate(steps(near + noise(len(near)), far)):
        if change_s := tracker.feed(heard, played):
            told.append((number / 100, change_s * 1000))
            break  # from here on the far end would be shifted
    assert [change for _, change in told] == [pytest.approx(by_ms, abs=0.3)]
    assert told[0][0] - at_s < 0.7


def test_an_echo_that_comes_before_the_far_end_is_found() -> None:
    tracker = DelayTracker()
    assert changes(tracker, moved(by_ms=-35.0, at_s=3.0, late_ms=20.0), recorded(*REPLY, rate_hz=FAR_HZ))[0][1] == (
        pytest.approx(-35.0, abs=0.3)
    )


def test_an_echo_that_has_gone_far_away_is_looked_for_everywhere() -> None:
    near = moved(by_ms=220.0, at_s=2.0)
    far = recorded(*REPLY, rate_hz=FAR_HZ)
    told = changes(DelayTracker(), near, far)
    assert told[0][1] == pytest.approx(220.0, abs=0.3)


def test_drift_is_followed_and_not_told() -> None:
    near = echo(*REPLY, late_ms=70.0)
    drifted = np.interp(np.arange(len(near)) * (1 - 300e-6), np.arange(len(near)), near)
    tracker = DelayTracker()
    assert changes(tracker, drifted, recorded(*REPLY, rate_hz=FAR_HZ)) == []
    assert tracker.delay_s is not None
    assert tracker.delay_s > 0.0705


@pytest.mark.parametrize("near", ["noise", "another voice", "silence"])
def test_nothing_is_told_where_the_microphone_does_not_hear_the_loudspeaker(near: str) -> None:
    far = recorded(*REPLY, rate_hz=FAR_HZ)
    count = len(far) * NEAR_HZ // FAR_HZ
    voice = np.resize(recorded("please-try-call-later", "conf-muted", rate_hz=NEAR_HZ), count)
    sounds = {"noise": noise(count), "another voice": voice, "silence": np.zeros(count)}
    tracker = DelayTracker()
    assert changes(tracker, sounds[near], far) == []


def test_after_it_has_forgotten_the_next_delay_is_the_known_one() -> None:
    far = recorded(*REPLY, rate_hz=FAR_HZ)
    tracker = DelayTracker()
    changes(tracker, echo(*REPLY, late_ms=70.0), far)
    tracker.forget()
    assert changes(tracker, echo(*REPLY, late_ms=130.0), far) == []
    assert tracker.delay_s == pytest.approx(0.130, abs=0.0003)


def test_after_the_loudspeakers_rate_has_changed_it_measures_anew() -> None:
    tracker = DelayTracker()
    near = echo(*REPLY, late_ms=70.0)
    half = len(near) // 2 // 160 * 160
    assert changes(tracker, near[:half], recorded(*REPLY, rate_hz=FAR_HZ)[: half * 3 // 2]) == []
    told = []
    for heard, played in zip(
        np.split(near[half : half + 160 * 300].astype(np.float32), 300),
        np.split(recorded(*REPLY, rate_hz=48_000)[half * 3 : half * 3 + 480 * 300].astype(np.float32), 300),
        strict=True,
    ):
        told.append(tracker.feed(heard, played))
    assert not any(told)
    assert tracker.delay_s == pytest.approx(0.070, abs=0.0005)
