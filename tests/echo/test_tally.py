"""The tally of a reply's echo: its figures, and where one reply ends and the next begins."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceloop.echo.tally import EchoTally, ReplyEcho


def step(level: float, seed: int = 1) -> NDArray[np.float32]:
    return np.rint(np.random.default_rng(seed).standard_normal(160) * level).astype(np.float32)


def fed(tally: EchoTally, *, level: float, left: float, share: float = 0.0, steps: int = 100) -> None:
    for number in range(steps):
        tally.feed(step(level, number), step(left, number).astype("<i2").tobytes(), share)


def taken(tally: EchoTally) -> ReplyEcho:
    echo = tally.take(60.0)
    assert echo is not None
    return echo


def test_the_level_and_what_was_removed_of_it_are_those_of_the_sums() -> None:
    tally = EchoTally()
    fed(tally, level=3_276.8, left=32.768)
    echo = taken(tally)
    assert echo.heard_db == pytest.approx(-20, abs=0.3)
    assert echo.removed_db == pytest.approx(40, abs=0.3)
    assert (echo.delay_ms, echo.shifts, echo.other_share) == (60.0, 0, 0.0)


def test_a_person_over_the_reply_is_in_the_share_and_not_in_the_levels() -> None:
    tally = EchoTally()
    fed(tally, level=1_000, left=10)
    alone = taken(tally)
    fed(tally, level=1_000, left=10)
    fed(tally, level=9_000, left=9_000, share=0.9, steps=100)
    echo = taken(tally)
    assert (echo.heard_db, echo.removed_db) == (alone.heard_db, alone.removed_db)
    assert echo.other_share == pytest.approx(0.45)


def test_the_next_reply_begins_with_nothing() -> None:
    tally = EchoTally()
    tally.paired(1.0, moved=False)
    fed(tally, level=3_000, left=3_000, share=0.1)
    tally.paired(2.0, moved=True)
    assert taken(tally).shifts == 1
    fed(tally, level=30, left=30)
    echo = taken(tally)
    assert (echo.shifts, echo.other_share) == (0, 0.0)
    assert echo.heard_db is not None
    assert echo.heard_db < -55
    assert (tally.aligned_at, tally.shifts) == (2.0, 1)


def test_of_a_reply_that_hardly_sounded_there_are_no_figures() -> None:
    tally = EchoTally()
    assert tally.take(None) is None
    fed(tally, level=1_000, left=10, steps=29)
    assert tally.take(None) is None
    fed(tally, level=1_000, left=10, steps=29)
    assert tally.take(None) is None, "the beginning of another reply is not counted with it"


def test_digital_silence_has_no_level_and_a_perfect_canceller_a_finite_one() -> None:
    tally = EchoTally()
    fed(tally, level=0, left=0)
    assert taken(tally) == ReplyEcho(60.0, 0, None, None, 0.0)
    fed(tally, level=3_276.8, left=0)
    assert taken(tally).removed_db == pytest.approx(70.3, abs=0.5)


def test_once_the_clocks_have_settled_the_delays_origin_stays_until_the_pairing_moves() -> None:
    tally = EchoTally()
    tally.paired(10.0, moved=False)
    tally.measured(10.6, 0.012)
    tally.measured(11.0, 0.010)
    tally.measured(20.0, 0.025)
    assert tally.behind_s == 0.010
    tally.paired(21.0, moved=True)
    tally.measured(30.0, 0.031)
    tally.measured(31.0, 0.040)
    assert tally.behind_s == 0.031, "the first measurement counts, however late it comes"
