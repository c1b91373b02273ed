"""The benchmark of kills: its moments, and a few real runs of it."""

from __future__ import annotations

import signal

import pytest

from bench.kills.__main__ import measure, moments
from bench.kills.plan import COMMANDS, FIRST_S, codes, kills, signals
from testbed.dictating import ASTERISK


def test_the_same_seed_gives_the_same_moments() -> None:
    assert kills("dictate", 40, 1, 10.0) == kills("dictate", 40, 1, 10.0) != kills("dictate", 40, 2, 10.0)


def test_a_quarter_of_the_signals_come_in_the_first_300_ms_and_some_come_twice() -> None:
    plan = signals(200, 1, 10.0)
    first = [moment for moment in plan if moment.phase == "first"]
    assert len(first) == 50
    assert all(0 <= moment.after_s <= FIRST_S for moment in first)
    assert {number for moment in plan for number in moment.signals} == {
        *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    }
    assert 40 < sum(len(moment.signals) == 2 for moment in plan) < 90
    assert {moment.setup for moment in plan} == {"chat", "program", "cable"}


def test_two_signals_at_once_may_come_in_either_order() -> None:
    assert codes((signal.SIGTERM, signal.SIGINT), 0.01) == {0, 130}
    assert codes((signal.SIGTERM, signal.SIGINT), 0.2) == {0}
    assert codes((signal.SIGINT,), 0.0) == {130}


def test_there_are_twice_as_many_signals_as_kills() -> None:
    plan = moments(COMMANDS, 5, 1, 10.0)
    assert [len(plan[command]) for command in COMMANDS] == [5, 5, 10]


@pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs asterisk-core-sounds-en-wav")
def test_nothing_is_lost_told_twice_or_left_over_at_random_moments() -> None:
    results = measure(COMMANDS, 5, 7, 5)
    assert [f"{result.moment}: {result.faults}" for result in results if result.faults] == []
