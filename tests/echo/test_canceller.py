"""The echo canceller: which samples of loudspeaker and microphone are paired, and that none is lost."""

from __future__ import annotations

import random
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.echo.canceller import Canceller, Rehearsal
from voiceloop.echo.far_end import Block, FarEnd, PlayClock
from voiceloop.playback.tap import Played, Tap
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason

RATE = 24_000
DELAY = 128


class DelayingProcessor:
    """A processor that cancels nothing, delays as the real one does, and records its inputs."""

    delay = DELAY

    def __init__(self) -> None:
        self.held = bytes(2 * DELAY)
        self.taken: list[tuple[bytes, Block]] = []

    def process(self, near: bytes, far: Block) -> bytes:
        self.taken.append((near, far))
        both = self.held + near
        self.held = both[len(near) :]
        return both[: len(near)]


class Loudspeaker:
    """A fake tap: plays blocks of 10 ms, each at the time given by its sample index, or late."""

    def __init__(self, rate_hz: int = RATE) -> None:
        self.blocks: list[Played] = []
        self.rate_hz, self.stream, self.start, self.began = rate_hz, 1, 0, 0.0

    def open(self, at: float, *, rate_hz: int = RATE) -> None:
        self.stream, self.start, self.began, self.rate_hz = self.stream + 1, 0, at, rate_hz

    def play(self, pcm: bytes, *, late: float = 0.0) -> None:
        at = self.began + self.start / self.rate_hz + late
        self.blocks.append(Played(pcm, self.stream, self.start, self.rate_hz, at))
        self.start += len(pcm) // 2

    def take(self) -> list[Played]:
        blocks, self.blocks = self.blocks, []
        return blocks


def block(number: int, rate_hz: int = RATE) -> bytes:
    """Return 10 ms in which every sample is the block's number."""
    return array("h", [number] * (rate_hz // 100)).tobytes()


def speech(samples: int, seed: int = 1) -> bytes:
    random_ = random.Random(seed)
    return array("h", [random_.randint(-9000, 9000) for _ in range(samples)]).tobytes()


def seconds(index: int) -> float:
    return index / CAPTURE_RATE_HZ


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


def test_clocks_that_drift_apart_are_followed_a_sample_at_a_time() -> None:
    loudspeaker = Loudspeaker()
    far = FarEnd(loudspeaker)
    lengths = set()
    for number in range(2_000):  # 20 s at 200 parts in a million
        loudspeaker.blocks.append(Played(block(1), 1, number * 240, RATE, number * 0.010002))
        far.gather()
        before = far._next
        far.at(number * 0.010002 + 0.001)
        assert far._next is not None
        if before is not None:
            lengths.add(far._next - before)
    assert lengths <= {239, 240, 241}
    assert far._next is not None
    assert far._next * 0.010002 / 240 == pytest.approx(2_000 * 0.010002, abs=0.012)


def test_with_clock_jitter_the_next_reply_is_paired_to_the_sample_like_the_one_before() -> None:
    loudspeaker, processor = Loudspeaker(), DelayingProcessor()
    jitter_s = [0.0]
    canceller = Canceller(processor, FarEnd(loudspeaker), lambda index: seconds(index) + jitter_s[0])
    replies, quiet = [speech(240 * 45, seed) for seed in (2, 3)], bytes(480 * 310)
    played = replies[0] + quiet + replies[1]
    taken = []
    for number in range(400):
        loudspeaker.play(played[480 * number : 480 * (number + 1)])
        jitter_s[0] = 0.0004 if number > 300 else 0.0
        canceller.take(Frame(bytes(320), 160 * number))
        taken.append(len(processor.taken))
    assert taken[300] == taken[320], "nothing is processed between the replies"
    places = [played.find(far.pcm) for _, far in processor.taken if any(far.pcm[:480])]
    first, second = places[1:40], places[-30:]
    assert {(b - a) for a, b in pairwise(first)} == {(b - a) for a, b in pairwise(second)} == {480}
    assert (second[-1] - first[0]) % 480 == 0


def test_a_stall_of_the_program_loses_the_oldest_of_thirty_seconds_and_nothing_else() -> None:
    tap = Tap()
    tap.begin(RATE)
    for number in range(3_100):
        tap.put(memoryview(block(number)))
    blocks = tap.take()
    assert [numbers(Block(b.pcm, RATE)) for b in (blocks[0], blocks[-1])] == [{100}, {3_099}]
    assert [b.start for b in blocks] == [240 * number for number in range(100, 3_100)]
    assert tap.take() == []


def cleaned(canceller: Canceller, items: list[Frame | Gap]) -> list[Frame | Gap]:
    out: list[Frame | Gap] = []
    for item in items:
        out += canceller.take(item)
    return [*out, *canceller.flush()]


def joined(items: list[Frame | Gap]) -> tuple[int, bytes]:
    """The first index and all samples of frames that follow on each other."""
    frames = [item for item in items if isinstance(item, Frame)]
    for before, after in pairwise(frames):
        assert before.end == after.index
    return frames[0].index, b"".join(frame.pcm for frame in frames)


@given(
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=20),
    start=st.integers(0, 10**9),
    sounds=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_every_sample_comes_out_once_under_its_own_index_whatever_is_played(
    cuts: list[int], start: int, sounds: list[bool]
) -> None:
    loudspeaker = Loudspeaker()
    canceller = Canceller(
        DelayingProcessor(), FarEnd(loudspeaker), lambda index: (index - start) / 100
    )  # 10 ms are 1.6 s
    near = speech(sum(cuts))
    frames: list[Frame | Gap] = []
    at = 0
    for cut in cuts:
        frames.append(Frame(near[2 * at : 2 * (at + cut)], start + at))
        at += cut
    out: list[Frame | Gap] = []
    for frame, sound in zip(frames, sounds, strict=False):
        assert isinstance(frame, Frame)
        loudspeaker.open((frame.index - start) / 100)
        loudspeaker.play(block(int(sound)))
        out += canceller.take(frame)
    assert joined([*out, *canceller.flush()]) == (start, near)


def test_a_gap_comes_after_all_samples_before_it() -> None:
    canceller = Canceller(DelayingProcessor(), FarEnd(Loudspeaker()), seconds)
    near = speech(320)
    gap = Gap(420, GapReason.LOST)
    out = cleaned(canceller, [Frame(near, 0), Frame(near[:200], 320), gap, Frame(near, 420)])
    at = out.index(gap)
    assert joined(out[:at]) == (0, near + near[:200])
    assert joined(out[at:]) == (420, near)


def test_the_canceller_is_active_only_while_sound_is_played_and_for_two_seconds_after() -> None:
    loudspeaker, processor = Loudspeaker(), DelayingProcessor()
    canceller = Canceller(processor, FarEnd(loudspeaker), seconds)
    active = []
    for number in range(500):
        loudspeaker.play(block(1000 if 100 <= number // 2 * 2 < 150 else 0))
        loudspeaker.play(block(1000 if 100 <= number // 2 * 2 < 150 else 0))
        canceller.take(Frame(bytes(640), number * 320))
        active.append(canceller.active)
    assert active.index(True) in range(98, 102)
    assert 500 - active[::-1].index(True) - 1 in range(248, 252)


def test_the_rehearsal_processes_the_beginning_of_the_first_reply_again_once() -> None:
    processor = DelayingProcessor()
    rehearsal = Rehearsal(processor)
    for number in range(400):
        rehearsal.add(bytes(320), Block(block(1000 + number if number >= 100 else 0), RATE))
    reprocessed = [next(iter(numbers(far))) for _, far in processor.taken]
    first = [0] * 10 + list(range(1100, 1150))
    assert reprocessed == first * 3 + list(range(1100, 1200)) * 2


def test_the_rehearsal_skips_a_reply_that_is_too_quiet() -> None:
    processor = DelayingProcessor()
    rehearsal = Rehearsal(processor)
    for _ in range(400):
        rehearsal.add(bytes(320), Block(block(20), RATE))
    assert processor.taken == []


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
