"""Somebody else in what the linear filter leaves: beside an echo as loud as they are, or louder."""

from __future__ import annotations

import numpy as np
import pytest

from tests.echo.rooms import FAR_HZ, NEAR_HZ, Sound, echo, noise, recorded, steps
from voiceloop.echo.double_talk import DoubleTalkDetector
from voiceloop.echo.residual import SHARE

REPLY = ("vm-nobodyavail", "queue-thankyou", "conf-onlyperson", "tt-weasels")
SAYS = ("please-try-call-later", "number-not-answering")
AT = 4 * NEAR_HZ


def shares(near: Sound) -> list[float]:
    """For each step, the share of somebody else by what the filter leaves."""
    detector, found = DoubleTalkDetector(), []
    for step in steps(near + noise(len(near)), recorded(*REPLY, rate_hz=FAR_HZ)):
        detector.feed(*step)
        found.append(detector._residual.other_share)
    return found


@pytest.mark.parametrize("gain_db", [0.0, 6.0])
@pytest.mark.parametrize("said", SAYS)
def test_a_person_is_found_beside_an_echo_that_is_as_loud(gain_db: float, said: str) -> None:
    near = echo(*REPLY, late_ms=60.0, gain_db=gain_db).copy()
    voice = recorded(said, rate_hz=NEAR_HZ)
    near[AT : AT + len(voice)] += voice
    begins = (AT + int(np.flatnonzero(np.abs(voice) > 2000)[0])) * 100 // NEAR_HZ
    found = shares(near)
    assert max(found[begins : begins + 30]) > SHARE


@pytest.mark.parametrize("gain_db", [-12.0, 6.0])
def test_an_echo_alone_is_hardly_ever_somebody(gain_db: float) -> None:
    found = shares(echo(*REPLY, late_ms=60.0, gain_db=gain_db))
    assert np.mean(np.array(found) > SHARE) < 0.02


@pytest.mark.parametrize("jump_ms", [-60.0, -9.0, 9.0, 25.0])
def test_a_filter_beside_its_place_is_not_believed(jump_ms: float) -> None:
    at = 3 * NEAR_HZ
    near = np.concatenate([echo(*REPLY, late_ms=90.0)[:at], echo(*REPLY, late_ms=90.0 + jump_ms)[at:]])
    assert np.mean(np.array(shares(near))[300:] > SHARE) < 0.1
