"""Random conversations (`testbed/conversations`): what must hold whatever is said, and whichever part fails."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.conversations.checking import check
from testbed.conversations.many import play_many
from testbed.conversations.scene import Act, Behaviour

ACTS = st.lists(
    st.one_of(
        st.builds(Act, st.sampled_from(["word", "word", "mhm", "noise", "echo"]), st.integers(1, 60)),
        st.builds(Act, st.sampled_from(["word", "mhm"]), st.integers(7, 20)),  # too short for a barge-in
        st.builds(Act, st.just("quiet"), st.integers(1, 120)),
        st.builds(Act, st.just("quiet"), st.integers(30, 60)),  # about as long as the hangover
        st.builds(Act, st.sampled_from(["quiet", "hint"]), st.integers(1, 25)),
        st.builds(Act, st.sampled_from(["gap", "stall", "stop"]), st.integers(1, 60)),
    ),
    max_size=24,
)
BEHAVIOURS = st.builds(
    Behaviour,
    seed=st.integers(0, 1_000_000),
    turns=st.sampled_from(["replace", "replace", "in_order", "exclusive"]),
    generation=st.sampled_from(["on", "on", "off", "resting"]),
    clips=st.sampled_from([True, True, False]),
    preemptive=st.booleans(),
    half_duplex=st.sampled_from([False, False, True]),
    fails=st.sampled_from([1000, 6, 2]),
    longest_s=st.sampled_from([30.0, 30.0, 1.0, 2.0]),
    waiting=st.sampled_from([100, 2]),
)


@settings(max_examples=30)
@given(acts=ACTS, behaviour=BEHAVIOURS)
def test_a_random_conversation_loses_and_repeats_nothing(acts: list[Act], behaviour: Behaviour) -> None:
    check(acts, behaviour)


def test_2000_numbered_conversations_lose_and_repeat_nothing() -> None:
    assert play_many(range(2000)).wrong == {}
