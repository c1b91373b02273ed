"""The ring buffer: any interleaving of writes, reads, cancels and holds."""

from __future__ import annotations

import sys
import threading
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.playback.ring import Ring

SHORT_FADE_HZ = 200
"""A rate at which a fade has one sample, which is silent; all other samples are as they were written."""


def pcm(samples: list[int] | range) -> bytes:
    return array("h", samples).tobytes()


def read(ring: Ring, count: int) -> list[int]:
    out = bytearray(b"\x55" * (2 * count))
    ring.read_into(memoryview(out))
    return list(array("h", bytes(out)))


def numbered(start: int, count: int) -> range:
    """Return sample values that are their positions, counted from 1: no value is 0, which is silence."""
    return range(start + 1, start + 1 + count)


def ring_of(capacity: int = 1000, *, prefill: int = 0) -> Ring:
    return Ring(capacity, SHORT_FADE_HZ, prefill=prefill)


def test_samples_are_read_in_order_and_then_silence() -> None:
    ring = ring_of()
    assert ring.write(pcm(numbered(0, 10)), 0) == 10
    ring.finish(0)
    assert read(ring, 4) == [1, 2, 3, 4]
    assert read(ring, 10) == [5, 6, 7, 8, 9, 10, 0, 0, 0, 0]
    assert (ring.played, ring.position, ring.pending, ring.underruns) == (10, 10, 0, 0)


def test_a_full_ring_takes_no_more_and_drops_nothing() -> None:
    ring = ring_of(8)
    assert ring.write(pcm(numbered(0, 10)), 0) == 8
    assert ring.write(pcm([9]), 0) == 0
    assert read(ring, 5) == [1, 2, 3, 4, 5]
    assert ring.write(pcm([9, 10]), 0) == 2
    ring.finish(0)
    assert read(ring, 6) == [6, 7, 8, 9, 10, 0]


def test_writing_half_a_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 bytes are not whole samples"):
        ring_of().write(b"abc", 0)


def test_a_reply_begins_when_its_prefill_is_there() -> None:
    ring = ring_of(prefill=5)
    for position in range(4):
        ring.write(pcm(numbered(position, 1)), 0)
        assert read(ring, 4) == [0, 0, 0, 0]
    ring.write(pcm(numbered(4, 1)), 0)
    assert read(ring, 4) == [1, 2, 3, 4]


def test_a_complete_reply_does_not_wait_for_the_prefill() -> None:
    ring = ring_of(prefill=5)
    ring.write(pcm([1, 2]), 0)
    ring.finish(0)
    assert read(ring, 3) == [1, 2, 0]


def test_enough_plays_what_is_there_and_what_follows_waits_for_the_prefill_again() -> None:
    ring = ring_of(prefill=5)
    ring.write(pcm([1, 2]), 0)
    ring.enough(1)
    assert read(ring, 2) == [0, 0]
    ring.enough(0)
    assert read(ring, 4) == [1, 0, 0, 0]  # the last sample is faded
    ring.write(pcm([3, 4]), 0)
    assert read(ring, 2) == [0, 0]
    ring.write(pcm([5, 6, 7]), 0)
    assert read(ring, 3)[1:] == [4, 5]
    assert ring.underruns == 1


def test_a_new_epoch_waits_for_its_own_prefill() -> None:
    ring = ring_of(prefill=5)
    ring.write(pcm([1, 2]), 0)
    ring.enough(0)
    ring.cancel()
    ring.write(pcm([3, 4]), 1)
    assert read(ring, 2) == [0, 0]


def test_a_prefill_beyond_the_capacity_does_not_wait_for_ever() -> None:
    ring = ring_of(4, prefill=100)
    ring.write(pcm([1, 2, 3, 4]), 0)
    assert read(ring, 2) == [1, 2]


def test_an_empty_ring_is_an_underrun_only_when_the_reply_goes_on() -> None:
    ring = ring_of(prefill=3)
    ring.write(pcm(numbered(0, 5)), 0)
    assert read(ring, 6) == [1, 2, 3, 4, 0, 0]  # the last sample is faded
    assert ring.underruns == 0
    ring.write(pcm(numbered(5, 2)), 0)
    assert read(ring, 2) == [0, 0]  # waits for the prefill again
    ring.write(pcm(numbered(7, 1)), 0)
    ring.finish(0)
    assert read(ring, 3) == [6, 7, 8]
    assert ring.underruns == 1


def test_the_end_of_a_reply_is_no_underrun_even_when_finish_comes_late() -> None:
    ring = ring_of()
    ring.write(pcm([1, 2]), 0)
    read(ring, 3)
    ring.finish(0)
    ring.write(pcm([3, 4]), 0)
    read(ring, 3)
    assert ring.underruns == 0


def test_cancelled_sound_is_never_read_and_a_stale_writer_is_refused() -> None:
    ring = ring_of()
    ring.write(pcm(numbered(0, 10)), 0)
    assert read(ring, 3) == [1, 2, 3]
    assert ring.cancel() == 1
    assert ring.pending == 0
    assert ring.write(pcm([99]), 0) == 0
    assert ring.write(pcm(numbered(10, 3)), 1) == 3
    ring.finish(1)
    assert read(ring, 6) == [0, 11, 12, 13, 0, 0]  # a fade of one sample, then the new reply
    assert (ring.played, ring.played_in(0, 10), ring.played_in(10, 13)) == (6, 3, 3)


def test_hold_stops_and_resume_goes_on_from_the_same_sample() -> None:
    ring = ring_of()
    ring.write(pcm(numbered(0, 10)), 0)
    read(ring, 3)
    ring.hold = True
    assert read(ring, 4) == [0, 0, 0, 0]
    assert read(ring, 4) == [0, 0, 0, 0]
    assert (ring.position, ring.sounding) == (3, False)
    ring.hold = False
    assert read(ring, 4) == [4, 5, 6, 7]


def test_cancelling_ends_a_hold() -> None:
    ring = ring_of()
    ring.write(pcm(numbered(0, 10)), 0)
    read(ring, 3)
    ring.hold = True
    read(ring, 3)
    ring.write(pcm(numbered(10, 3)), ring.cancel())
    assert read(ring, 2) == [11, 12]


def test_gain_scales_and_clips() -> None:
    ring = ring_of()
    ring.gain = 0.5
    ring.write(pcm([100, -100, 30000, -30000]), 0)
    ring.finish(0)
    assert read(ring, 2) == [50, -50]
    ring.gain = 2.0
    assert read(ring, 2) == [32767, -32768]


def test_a_loud_gain_clips_also_while_it_is_lowered() -> None:
    ring = Ring(1000, 1000)  # a fade has 5 samples
    ring.gain = 2.0
    ring.write(pcm([30000, -30000] * 20), 0)
    assert read(ring, 10) == [32767, -32768] * 5
    ring.gain = 0.5
    lowered = read(ring, 10)
    assert lowered[:3] == [32767, -32768, 32767]
    assert lowered[5:] == [-15000, 15000, -15000, 15000, -15000]


def test_a_reply_begins_at_the_gain_that_is_set_then_without_a_fade() -> None:
    ring = Ring(1000, 1000)
    ring.gain = 0.5
    ring.write(pcm([1000] * 20), 0)
    ring.finish(0)
    assert read(ring, 20) == [500] * 20


def test_recent_gives_the_last_samples_that_were_read_as_far_as_they_are_still_there() -> None:
    ring = ring_of(8)
    assert ring.recent(5) == b""
    ring.write(pcm(numbered(0, 6)), 0)
    read(ring, 4)
    assert ring.recent(3) == pcm([2, 3, 4])
    assert ring.recent(100) == pcm([1, 2, 3, 4])
    ring.write(pcm(numbered(6, 4)), 0)  # overwrites 1 and 2
    assert ring.recent(100) == pcm([3, 4])
    read(ring, 5)
    assert ring.recent(4) == pcm([6, 7, 8, 9])  # across the end of the memory
    assert ring.recent(0) == b""


@pytest.mark.parametrize("block", [3, 5])
def test_a_block_that_only_fades_out_the_old_reply_is_not_the_beginning_of_the_new_one(block: int) -> None:
    ring = Ring(1000, 1000)  # a fade has 5 samples
    ring.write(pcm([10000] * 20), 0)
    assert read(ring, block) == [10000] * block
    ring.write(pcm([20000] * 20), ring.cancel())
    faded = read(ring, block)
    assert faded == sorted(faded, reverse=True)
    assert max(faded) < 10000
    assert not ring.sounding
    ring.write(pcm([30000] * 20), ring.cancel())
    assert read(ring, block) == [30000] * block  # nothing of the second reply


def test_sound_is_known_by_its_position_however_many_replies_were_discarded() -> None:
    ring = ring_of(100)
    for reply in range(64):
        start = ring.written
        ring.write(pcm(numbered(start, 10)), reply)
        read(ring, 4)
        ring.cancel()
        read(ring, 1)
    assert ring.played == 64 * 4
    assert [ring.played_in(reply * 10, reply * 10 + 10) for reply in range(64)] == [4] * 64
    assert ring.played_in(0, 640) == 64 * 4


@pytest.mark.parametrize("event", ["hold", "cancel", "underrun", "gain"])
@pytest.mark.parametrize("block", [120, 240, 250, 1000])
def test_nothing_clicks(event: str, block: int) -> None:
    """With a full-scale constant every step shows: none may be larger than a step of a fade."""
    ring = Ring(24000, 24000)
    ring.write(pcm([32000] * 4000), 0)
    out = read(ring, 1000)
    if event == "hold":
        ring.hold = True
        out += read(ring, block) + read(ring, block)
        ring.hold = False
    elif event == "cancel":
        ring.cancel()
    elif event == "gain":
        ring.gain = 0.2
    while len(out) < 8000:
        out += read(ring, block)
    assert max(abs(a - b) for a, b in pairwise(out)) <= 32000 / 120 + 1


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 30)),
        st.tuples(st.just("read"), st.integers(1, 20)),
        st.tuples(st.just("cancel"), st.just(0)),
        st.tuples(st.just("stale"), st.integers(1, 9)),
        st.tuples(st.just("finish"), st.just(0)),
        st.tuples(st.just("enough"), st.just(0)),
        st.tuples(st.just("prefill"), st.integers(0, 12)),
        st.tuples(st.just("hold"), st.just(0)),
        st.tuples(st.just("resume"), st.just(0)),
    ),
    max_size=60,
)


@given(actions=ACTIONS, capacity=st.integers(1, 40), prefill=st.integers(0, 12))
def test_any_interleaving_plays_each_sample_once_in_order_and_nothing_stale(
    actions: list[tuple[str, int]], capacity: int, prefill: int
) -> None:
    ring = ring_of(capacity, prefill=prefill)
    begins, heard, silent_plays = 0, [], 0
    for action, count in [*actions, ("finish", 0), ("resume", 0), *[("read", 20)] * 5]:
        if action == "write":
            before, room = ring.written, ring.room
            taken = ring.write(pcm(numbered(before, count)), ring.epoch)
            assert taken == min(count, room)
            assert ring.written == before + taken
        elif action == "stale":
            assert ring.write(pcm([1] * count), ring.epoch - 1) == 0
        elif action == "cancel":
            begins = ring.written
            ring.cancel()
        elif action == "finish":
            ring.finish(ring.epoch)
        elif action == "enough":
            ring.enough(ring.epoch)
        elif action == "prefill":
            ring.prefill = min(count, capacity)
        elif action == "hold":
            ring.hold = True
        elif action == "resume":
            ring.hold = False
        else:
            position, played = ring.position, ring.played
            out = [sample for sample in read(ring, count) if sample]
            assert all(sample > begins for sample in out), "stale samples were played"
            assert not (ring.hold and out), "samples were played during a hold"
            assert ring.position - position == ring.played - played
            # The samples played are those heard, except for one that is faded to 0 before a silence.
            assert out == list(numbered(position, ring.played - played))[: len(out)]
            assert ring.played - played - len(out) in (0, 1)
            silent_plays += ring.played - played - len(out)
            heard += out
        assert 0 <= ring.pending <= capacity
        assert ring.played_in(0, ring.written) == ring.played
    assert heard == sorted(set(heard))
    assert ring.pending == 0, "a finished reply is played to its end"
    assert len(heard) + silent_plays == ring.played


@given(
    reply=st.integers(0, 300),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=20),
    blocks=st.lists(st.integers(1, 50), min_size=1, max_size=20),
)
def test_cutting_the_reply_or_the_blocks_elsewhere_changes_nothing(
    reply: int, cuts: list[int], blocks: list[int]
) -> None:
    ring = Ring(1000, 24000)
    at = 0
    while at < reply:
        for cut in cuts:
            at += ring.write(pcm(numbered(at, min(cut, reply - at))), 0)
    ring.finish(0)
    out: list[int] = []
    while len(out) < reply:
        for block in blocks:
            out += read(ring, block)
    assert out[:reply] == list(numbered(0, reply))
    assert not any(out[reply:])


@given(
    spans=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 25), st.booleans()), max_size=30),
)
def test_played_in_counts_the_played_samples_of_each_span(spans: list[tuple[int, int, bool]]) -> None:
    ring = ring_of(100)
    heard: set[int] = set()
    written: list[tuple[int, int]] = []
    for length, blocks, cancelled in spans:
        start = ring.written
        ring.write(pcm(numbered(start, length)), ring.epoch)
        ring.finish(ring.epoch)
        written.append((start, ring.written))
        for _ in range(blocks):
            heard |= {sample - 1 for sample in read(ring, 1) if sample}
        if cancelled:
            ring.cancel()
            assert [s for s in read(ring, 1) if s] == []
    for start, end in written:
        assert ring.played_in(start, end) == len(heard & set(range(start, end)))


def test_two_threads_neither_lose_nor_repeat_nor_play_stale_sound() -> None:
    """The writer cancels often. The samples of each epoch have its number as value, so that a stale sample shows."""
    ring = Ring(97, SHORT_FADE_HZ, prefill=5)
    done = threading.Event()
    heard: list[int] = []
    stale: list[tuple[int, int]] = []

    def pull() -> None:
        out = memoryview(bytearray(2 * 13))
        while not done.is_set():
            epoch = ring.epoch  # may increase during the read, never decrease
            ring.read_into(out)
            for sample in out.cast("h"):
                if sample and sample < epoch:
                    stale.append((sample, epoch))
                if sample:
                    heard.append(sample)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    reader = threading.Thread(target=pull)
    reader.start()
    try:
        for epoch in range(1, 300):
            assert ring.cancel() == epoch
            rest = memoryview(pcm([epoch] * 200))
            while len(rest) > 2 * (epoch % 100):
                rest = rest[2 * ring.write(rest, epoch) :]
    finally:
        sys.setswitchinterval(before)
        done.set()
        reader.join()
    assert stale == []
    assert heard == sorted(heard)
