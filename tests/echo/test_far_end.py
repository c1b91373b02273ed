"""The far end: which played samples belong to what the microphone heard."""

from __future__ import annotations

import random
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.echo.loudspeaker import RATE, Loudspeaker, block
from voiceloop.echo.far_end import Block, FarEnd, PlayClock
from voiceloop.playback.tap import Tap


def numbers(far: Block) -> set[int]:
    return set(memoryview(far.pcm).cast("h"))


def test_each_ten_milliseconds_heard_are_paired_with_the_block_played_before_them() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(1, 30):
        loudspeaker.play(block(number))
    far.gather()
    assert [numbers(far.at(0.05 + 0.01 * n)) for n in range(10)] == [{5 + n} for n in range(10)]


@given(st.lists(st.floats(0, 0.005), min_size=30, max_size=30))
def test_blocks_of_late_callbacks_are_paired_by_the_time_they_were_due(late: list[float]) -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    loudspeaker.play(block(1))  # this callback is on time: a callback can't come early
    for number, delay in enumerate(late, 2):
        loudspeaker.play(block(number), late=delay)
    far.gather()
    assert [memoryview(far.at(0.05 + 0.01 * n).pcm).cast("h")[120] for n in range(10)] == list(range(5, 15))


def test_where_nothing_was_played_the_far_end_is_silence() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    assert numbers(far.at(0.0)) == {0}
    loudspeaker.play(block(1))
    far.gather()
    assert numbers(far.at(0.01)) == {1}
    assert numbers(far.at(0.02)) == {0}
    assert numbers(far.at(7.0)) == {0}


def test_a_reopened_loudspeaker_is_paired_by_its_new_times() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(1, 4):
        loudspeaker.play(block(number))
    far.gather()
    far.at(0.01)
    loudspeaker.open(5.0, rate_hz=48_000)
    for number in range(1, 4):
        loudspeaker.play(block(number, 48_000))
    far.gather()
    assert far.at(5.02) == Block(block(2, 48_000), 48_000)


def counting(blocks: int) -> list[bytes]:
    """Return blocks in which each sample is the count of the samples before it, modulo 30,000, from 1 on."""
    return [array("h", [1 + (240 * number + n) % 30_000 for n in range(240)]).tobytes() for number in range(blocks)]


def read(far: FarEnd, times_s: list[float]) -> list[int]:
    """The first sample of each block."""
    return [memoryview(far.at(time_s).pcm).cast("h")[0] for time_s in times_s]


@given(st.integers(0, 10**6))
def test_callback_times_that_wander_do_not_move_it(seed: int) -> None:
    random_ = random.Random(seed)
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for pcm in counting(600):
        loudspeaker.play(pcm, late=random_.uniform(0, 0.005))
    far.gather()
    # PulseAudio's microphone: its blocks come later by 25 ms in the course of the first seconds, and wander.
    times_s = [0.05 + 0.01 * n + min(n, 300) / 300 * 0.025 + random_.uniform(0, 0.005) for n in range(500)]
    found = read(far, times_s)
    assert {(b - a) % 30_000 for a, b in pairwise(found)} == {240}
    assert (far.streams, far.jumps) == (1, 0)


def test_while_only_silence_was_played_it_follows_the_clock() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(40):
        loudspeaker.play(block(0), late=0.02 if number < 20 else 0.0)  # the first blocks come late
        far.gather()
        far.at(number * 0.01)
    loudspeaker.play(block(7))
    far.gather()
    assert numbers(far.at(0.41)) == {7}
    assert far.jumps == 0


def test_a_stream_that_follows_another_begins_when_the_microphone_is_there() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(1, 11):
        loudspeaker.play(block(number))
    loudspeaker.open(0.15)  # an underrun: 50 ms of silence
    for number in range(11, 21):
        loudspeaker.play(block(number))
    far.gather()  # the blocks of both are there long before the microphone's
    heard = [numbers(far.at(0.01 * (1 + n))) for n in range(25)]
    assert heard == [{n} for n in range(1, 11)] + [{0}] * 5 + [{n} for n in range(11, 21)]
    assert (far.streams, far.jumps) == (2, 0)


def test_it_is_shifted_to_where_the_echo_has_gone_and_stays_there() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for pcm in counting(100):
        loudspeaker.play(pcm)
    far.gather()
    before = read(far, [0.2, 0.21])
    far.shift(0.025)
    later = read(far, [0.22 + 0.01 * n for n in range(10)])
    far.shift(-0.009)
    earlier = read(far, [0.32 + 0.01 * n for n in range(10)])
    assert later[0] == before[1] + 240 - 600
    assert earlier[0] == later[-1] + 240 + 216
    assert [b - a for run in (later, earlier) for a, b in pairwise(run)] == [240] * 18
    assert far.jumps == 0


def test_many_shifts_in_one_direction_are_not_taken_for_a_device_that_stood_still() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for pcm in counting(100):
        loudspeaker.play(pcm)
    far.gather()
    for n in range(20):
        far.at(0.3 + 0.01 * n)
        far.shift(0.009)
    assert far.jumps == 0


def test_after_a_device_stood_still_it_is_placed_by_the_clock() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    found = []
    for number in range(1, 101):
        if number == 51:
            loudspeaker.began += 0.5  # it took no sound for so long, and PortAudio told of nothing
        loudspeaker.play(block(number))
        far.gather()
        found.append(numbers(far.at(loudspeaker.began + 0.01 * number)))
    assert found[:50] == [{number} for number in range(1, 51)]
    assert found[60:] == [{number} for number in range(61, 101)]
    assert far.jumps >= 1


def test_after_an_underrun_that_nobody_told_of_it_is_placed_by_the_clock() -> None:
    """After a stall the device has taken 45 ms less, and the count is ahead of what was played."""
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    found = []
    for number in range(1, 101):
        if number == 51:
            loudspeaker.began += 0.045
        loudspeaker.play(block(number))
        far.gather()
        found.append(numbers(far.at(loudspeaker.began + 0.01 * number)))
        if number == 50:
            found += [numbers(far.at(loudspeaker.began + 0.01 * (number + n))) for n in (1, 2, 3, 4)]
    assert 1 <= far.jumps <= 2  # the clock needs three blocks to know it
    assert found[-40:] == [{number} for number in range(61, 101)]


def test_a_loudspeaker_that_is_closed_is_not_taken_for_one_that_stood_still() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(1, 51):
        loudspeaker.play(block(number))
    far.gather()
    for step in range(60_000):  # ten minutes, in which the two clocks drift apart by 120 ms
        far.skip(0.01 * step * (1 + 200e-6))
    loudspeaker.open(600.0)
    for number in range(1, 11):
        loudspeaker.play(block(number))
    far.gather()
    assert numbers(far.at(600.05)) == {5}
    assert (far.streams, far.jumps) == (2, 0)


@pytest.mark.parametrize("rate_hz", [22_050, 11_025, 44_100])
def test_at_a_rate_whose_ten_milliseconds_are_no_whole_number_it_keeps_its_place(rate_hz: int) -> None:
    loudspeaker = Loudspeaker(rate_hz)
    far = FarEnd(loudspeaker)
    for number in range(3_000):
        length = rate_hz * (number + 1) // 100 - rate_hz * number // 100
        loudspeaker.play(array("h", [1 + number % 30_000] * length).tobytes())
        far.gather()
        if number > 2:
            far.at(0.01 * number)
    last = memoryview(far.at(0.01 * 3_000).pcm).cast("h")
    assert last[len(last) // 2] in {2_999, 3_000, 3_001}
    assert far.jumps == 0


def test_it_is_not_shifted_farther_than_a_delay_can_move() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(1, 101):
        loudspeaker.play(block(number))
    far.gather()
    far.at(0.5)
    assert far.shift(0.1)
    far.at(0.51)
    assert not far.shift(0.1)
    assert numbers(far.at(0.52)) == {52}  # by the clock again
    assert far.shift(0.1), "the bound counts from there"


def test_it_is_not_shifted_to_what_was_not_played_yet() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    for number in range(1, 101):
        loudspeaker.play(block(number))
    far.gather()
    far.at(0.98)
    assert not far.shift(-0.08)
    assert numbers(far.at(0.99)) == {99}


def test_a_stall_of_the_program_loses_the_oldest_of_thirty_seconds_and_nothing_else() -> None:
    tap = Tap()
    tap.begin(RATE)
    for number in range(3_100):
        tap.put(memoryview(block(number)))
    blocks = tap.take()
    assert [numbers(Block(b.pcm, RATE)) for b in (blocks[0], blocks[-1])] == [{100}, {3_099}]
    assert [b.start for b in blocks] == [240 * number for number in range(100, 3_100)]
    assert tap.take() == []


def test_a_delayed_callback_does_not_move_the_clock() -> None:
    clock = PlayClock(RATE)
    for number in range(100):
        clock.block(240 * number, number * 0.01 + (max(0.0, 0.06 - (number - 50) * 0.01) if number >= 50 else 0.0))
        if number % 50 > 10:
            assert clock.index(number * 0.01) == pytest.approx(240 * number, abs=2)


def test_after_an_underrun_the_rest_is_paired_with_later_times() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    heard = []
    for number in range(1, 100):
        loudspeaker.play(block(number), late=0.11 if number >= 50 else 0.0)
    late = loudspeaker.take()
    for step in range(100):
        loudspeaker.blocks = [played for played in late if step - 0.1 <= played.at * 100 < step + 0.9]
        far.gather()
        heard.append(numbers(far.at(step * 0.01)))
    assert [step for step, found in enumerate(heard) if found == {49}] == [49]
    assert all(found == {0} for found in heard[51:60])  # the loudspeaker was silent during the underrun
    assert [max(found) for found in heard[66:100]] == [step - 11 for step in range(66, 100)]


def test_how_long_ago_the_paired_sample_was_taken_is_known_better_than_at_its_pairing() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    assert far.behind_s(1.0) == pytest.approx(0.01), "nothing was played: what is paired then"
    for number in range(1, 120):
        # The first callbacks are all late, and from the 60th on the device plays 5 ms later, which it tells nobody.
        loudspeaker.play(block(number), late=0.008 if number < 20 else 0.005 if number >= 60 else 0.0)
        far.gather()
        at = number * 0.01
        far.at(at)
        if number == 10:
            assert far.behind_s(at + 0.01) == pytest.approx(0.01, abs=0.001)
        if number == 50:
            assert far.behind_s(at + 0.01) == pytest.approx(0.018, abs=0.001)
    assert far.behind_s(1.2) == pytest.approx(0.013, abs=0.001)
