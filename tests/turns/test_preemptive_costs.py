"""The accounts of preemptive work: what was used and wasted, and when it pauses because of waste."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.turns.preemptive import Asked, PreemptiveGeneration, Tally


def clip(seconds: float, cost_usd: float | None = None) -> Asked:
    return Asked("transcribe", seconds, cost_usd)


def allowed_in_next_pause(preemptive: PreemptiveGeneration) -> bool:
    """Count a pause; return whether preemptive work is allowed in it."""
    allowed = preemptive.allowed
    preemptive.count_pause()
    return allowed


def test_preemptive_work_rests_for_ten_pauses_after_too_much_waste() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.5)
    for _ in range(5):
        assert allowed_in_next_pause(preemptive)
        preemptive.waste([clip(1.0)])
    assert preemptive.resting
    assert (allowed_in_next_pause(preemptive), preemptive.share) == (False, 1.0)
    assert [allowed_in_next_pause(preemptive) for _ in range(10)] == [False] * 9 + [True]


def test_a_few_wasted_attempts_do_not_pause_it() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.1)
    for _ in range(4):
        preemptive.waste([clip(1.0)])
    assert preemptive.allowed


def test_with_a_limit_of_all_it_never_rests() -> None:
    preemptive = PreemptiveGeneration(max_waste=1.0)
    for _ in range(20):
        preemptive.waste([clip(1.0)])
    assert (preemptive.share, preemptive.allowed) == (1.0, True)


def test_unless_told_otherwise_it_rests_when_more_than_half_was_wasted() -> None:
    preemptive = PreemptiveGeneration()
    for _ in range(10):
        preemptive.use([clip(1.0)])
        preemptive.waste([clip(0.9)])
    assert not preemptive.resting
    for _ in range(10):
        preemptive.use([clip(0.9)])
        preemptive.waste([clip(1.2)])
    assert preemptive.resting


def test_when_disabled_it_is_never_allowed() -> None:
    assert not PreemptiveGeneration(enabled=False).allowed


def test_used_work_makes_up_for_wasted_work() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.5)
    for _ in range(20):
        preemptive.waste([clip(1.0)])
        preemptive.use([clip(2.0)])
    assert not preemptive.resting
    assert preemptive.share == pytest.approx(1 / 3, abs=0.05)


def test_a_cancelled_request_is_estimated_by_the_cost_of_similar_requests() -> None:
    preemptive = PreemptiveGeneration()
    preemptive.use([clip(10.0, 0.01), Asked("handle", cost_usd=0.002)])
    lost = preemptive.waste([clip(5.0), Asked("handle"), Asked("speak")])
    assert lost == Tally(requests=3, audio_s=5.0, cost_usd=0.007)


def test_what_a_wasted_request_cost_counts_for_the_next_one_that_states_no_cost() -> None:
    preemptive = PreemptiveGeneration()
    preemptive.waste([clip(10.0, 0.01)])
    assert preemptive.waste([clip(5.0)]) == Tally(requests=1, audio_s=5.0, cost_usd=0.005)
    assert preemptive.waste([clip(5.0, 0.03)]).cost_usd == 0.03  # what was stated needs no estimate


def test_without_costs_the_share_is_counted_in_seconds() -> None:
    preemptive = PreemptiveGeneration()
    preemptive.use([clip(3.0), Asked("handle")])
    preemptive.waste([clip(1.0), Asked("handle"), Asked("speak")])
    assert preemptive.share == pytest.approx(1 / 3.7, abs=0.01)


def test_the_waste_of_a_merged_turn_is_counted_but_does_not_pause_it() -> None:
    preemptive = PreemptiveGeneration(max_waste=0.0)
    for _ in range(20):
        preemptive.waste([clip(1.0, 0.001)], preemptive=False)
    assert preemptive.allowed
    assert preemptive.wasted == Tally(20, 20.0, 0.02)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 60), st.none() | st.floats(0, 1))))
def test_the_wasted_share_is_always_between_0_and_1(attempts: list[tuple[bool, float, float | None]]) -> None:
    preemptive = PreemptiveGeneration()
    for wasted, seconds, cost in attempts:
        (preemptive.waste if wasted else preemptive.use)([clip(seconds, cost)])
        assert 0 <= preemptive.share <= 1
    assert preemptive.used.requests + preemptive.wasted.requests == len(attempts)
