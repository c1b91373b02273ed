"""The double-talk detector: on recorded voices in a room."""

from __future__ import annotations

import numpy as np
import pytest

from tests.echo.rooms import FAR_HZ, NEAR_HZ, Sound, echo, noise, recorded, steps
from voiceloop.echo.double_talk import DoubleTalkDetector

REPLY = ("vm-nobodyavail", "queue-thankyou", "conf-onlyperson", "tt-weasels")
SAYS = ("please-try-call-later", "number-not-answering")
LEARNED_S = 1.0
AT_MOST = 0.2
"""In this room the reverberation is as loud as the direct sound. What is left is the canceller's."""


def heard(near: Sound, far: Sound) -> list[bool]:
    """For each step, whether somebody else may be heard while the loudspeaker is."""
    detector = DoubleTalkDetector()
    found = []
    for step in steps(near + noise(len(near)), far):
        detector.feed(*step)
        found.append(detector.sounding and not detector.echo_only)
    return found


def share(found: list[bool]) -> float:
    """The share of steps with somebody else, after the room was learned."""
    return float(np.mean(found[round(LEARNED_S * 100) :]))


@pytest.mark.parametrize("gain_db", [-20.0, -12.0, 0.0, 6.0])
@pytest.mark.parametrize("late_ms", [20.0, 120.0, 300.0])
def test_an_echo_alone_is_hardly_ever_taken_for_somebody_else(gain_db: float, late_ms: float) -> None:
    near = echo(*REPLY, late_ms=late_ms, gain_db=gain_db)
    assert share(heard(near, recorded(*REPLY, rate_hz=FAR_HZ))) < AT_MOST


def test_a_loudspeaker_that_distorts_is_hardly_ever_somebody_else() -> None:
    near = np.tanh(echo(*REPLY, late_ms=60.0, gain_db=0.0) / 8000) * 8000
    assert share(heard(near, recorded(*REPLY, rate_hz=FAR_HZ))) < AT_MOST


@pytest.mark.parametrize("jump_ms", [-60.0, -9.0, 9.0, 25.0])
def test_an_echo_whose_delay_changes_is_hardly_ever_somebody_else(jump_ms: float) -> None:
    at = 3 * NEAR_HZ
    near = np.concatenate([echo(*REPLY, late_ms=90.0)[:at], echo(*REPLY, late_ms=90.0 + jump_ms)[at:]])
    assert share(heard(near, recorded(*REPLY, rate_hz=FAR_HZ))) < AT_MOST


@pytest.mark.parametrize("gain_db", [-20.0, -12.0, -6.0, 0.0])
@pytest.mark.parametrize("said", SAYS)
def test_a_person_over_the_echo_is_somebody_else_within_a_fifth_of_a_second(gain_db: float, said: str) -> None:
    near = echo(*REPLY, late_ms=60.0, gain_db=gain_db).copy()
    voice, at = recorded(said, rate_hz=NEAR_HZ), 4 * NEAR_HZ
    near[at : at + len(voice)] += voice
    begins = (at + int(np.flatnonzero(np.abs(voice) > 2000)[0])) / NEAR_HZ
    found = heard(near, recorded(*REPLY, rate_hz=FAR_HZ))
    assert share(found[:400]) < AT_MOST
    assert any(found[400 : round(begins * 100) + 20])
    heard_on = np.mean(found[round(begins * 100) + 20 : 400 + len(voice) // 160 - 30])
    assert heard_on > (0.65 if gain_db < 0 else 0.4)  # beside an echo as loud as she is, now and then


def test_before_it_knows_the_room_and_while_nothing_sounds_anybody_may_be_heard() -> None:
    near, far = echo(*REPLY, late_ms=60.0), recorded(*REPLY, rate_hz=FAR_HZ)
    detector = DoubleTalkDetector()
    told = []
    for step in steps(np.pad(near, NEAR_HZ), np.pad(far, FAR_HZ)):
        detector.feed(*step)
        told.append(detector.echo_only)
    assert not any(told[:120])
    assert any(told[200:])
    assert not any(told[-50:])


def test_a_rate_of_the_loudspeaker_that_changes_is_taken() -> None:
    detector = DoubleTalkDetector()
    for rate_hz in (FAR_HZ, 48_000, FAR_HZ):
        for _ in range(50):
            detector.feed(np.ones(160, np.float32) * 500, np.ones(rate_hz // 100, np.float32) * 500)
    assert 0.0 <= detector.other_share <= 1.0


def test_a_microphone_that_was_muted_meanwhile_has_taught_nothing() -> None:
    near, far = echo(*REPLY, late_ms=60.0), recorded(*REPLY, rate_hz=FAR_HZ)
    detector = DoubleTalkDetector()
    shares = []
    for muted in (False, True, False):
        told = []
        for heard_, played in steps(near + noise(len(near)), far):
            detector.feed(heard_ * (0 if muted else 1), played)
            told.append(detector.sounding and not detector.echo_only)
        shares.append(float(np.mean(told)))
    assert shares[2] < AT_MOST


def test_until_the_echo_was_found_nobody_is_surely_heard() -> None:
    detector = DoubleTalkDetector()
    for step in steps(noise(NEAR_HZ), recorded(*REPLY, rate_hz=FAR_HZ)):
        detector.feed(*step)
        if detector._delay.lag is not None:
            break
        assert detector.other_share == 0.0


@pytest.mark.parametrize("silent", [True, False], ids=["a headset that is silent between words", "a microphone"])
@pytest.mark.parametrize("said", SAYS)
def test_with_headphones_a_person_is_never_the_echo(said: str, silent: bool) -> None:
    """No echo teaches the person's own loudness as that of the echo."""
    near, far = np.zeros(len(echo(*REPLY, late_ms=60.0))), recorded(*REPLY, rate_hz=FAR_HZ)
    voice = recorded(said, rate_hz=NEAR_HZ)
    for at in range(NEAR_HZ, len(near) - len(voice), len(voice) + 2 * NEAR_HZ):
        near[at : at + len(voice)] += voice
    near += 0 if silent else noise(len(near))
    detector = DoubleTalkDetector()
    told = []
    for step in steps(near, far):
        detector.feed(*step)
        told.append(detector.echo_only)
    assert not any(told[round(LEARNED_S * 100) :])
    assert not detector.knows_echo
