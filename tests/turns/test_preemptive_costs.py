"""What working ahead wasted, and when it pauses itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.turns.preemptive import Asked, PreemptiveGeneration, Tally


def clip(seconds: float, cost_usd: float | None = None) -> Asked:
    return Asked("transcribe", seconds, cost_usd)


def passes(preemptive: PreemptiveGeneration) -> bool:
    """Whether work goes ahead in the next pause."""
    allowed = preemptive.allowed
    preemptive.count_pause()
    return allowed


def test_it_may_until_too_much_was_wasted_and_again_after_ten_pauses() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.5)
    for _ in range(5):
        assert passes(preemptive)
        preemptive.waste([clip(1.0)])
    assert preemptive.resting
    assert [passes(preemptive) for _ in range(11)] == [False] * 10 + [True]


def test_a_few_attempts_say_nothing() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.1)
    for _ in range(4):
        preemptive.waste([clip(1.0)])
    assert preemptive.allowed


def test_off_is_off() -> None:
    assert not PreemptiveGeneration(enabled=False).allowed


def test_what_came_of_use_makes_up_for_what_did_not() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.5)
    for _ in range(20):
        preemptive.waste([clip(1.0)])
        preemptive.use([clip(2.0)])
    assert not preemptive.resting
    assert preemptive.share == pytest.approx(1 / 3, abs=0.05)


def test_a_request_that_was_broken_off_costs_what_such_requests_cost() -> None:
    preemptive = PreemptiveGeneration()
    preemptive.use([clip(10.0, 0.01), Asked("handle", cost_usd=0.002)])
    lost = preemptive.waste([clip(5.0), Asked("handle"), Asked("speak")])
    assert lost == Tally(requests=3, audio_s=5.0, cost_usd=0.007)


def test_without_costs_seconds_are_what_counts() -> None:
    preemptive = PreemptiveGeneration()
    preemptive.use([clip(3.0), Asked("handle")])
    preemptive.waste([clip(1.0), Asked("handle"), Asked("speak")])
    assert preemptive.share == pytest.approx(1 / 3.7, abs=0.01)


def test_a_turn_that_was_merged_is_counted_but_does_not_pause_it() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.0)
    for _ in range(20):
        preemptive.waste([clip(1.0, 0.001)], ahead=False)
    assert preemptive.allowed
    assert preemptive.wasted == Tally(20, 20.0, 0.02)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 60), st.none() | st.floats(0, 1))))
def test_the_share_is_a_share_whatever_happens(attempts: list[tuple[bool, float, float | None]]) -> None:
    preemptive = PreemptiveGeneration()
    for wasted, seconds, cost in attempts:
        (preemptive.waste if wasted else preemptive.use)([clip(seconds, cost)])
        assert 0 <= preemptive.share <= 1
    assert preemptive.used.requests + preemptive.wasted.requests == len(attempts)
