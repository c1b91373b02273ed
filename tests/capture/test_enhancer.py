"""The enhancer: every sample comes out once, under its own index, whatever the sizes of the frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.capture.enhancer import Enhancer
from voiceloop.types import SAMPLE_BYTES, Frame, Gap, GapReason

ITEMS = st.lists(st.one_of(st.integers(1, 700), st.sampled_from([0, -320])), max_size=30)
"""Sizes of frames; 0: a gap that is told; less: samples that are missing without a word."""


def late(delay: int) -> Enhancer:
    """Does nothing but to come so many samples late."""
    line = bytearray(delay * SAMPLE_BYTES)

    def process(pcm: bytes) -> bytes:
        assert len(pcm) == 320
        line.extend(pcm)
        out = bytes(line[: len(pcm)])
        del line[: len(pcm)]
        return out

    return Enhancer(process, delay)


def sound(index: int, samples: int) -> bytes:
    return b"".join((n % 30_000).to_bytes(2, "little") for n in range(index, index + samples))


@given(ITEMS, st.sampled_from([0, 96, 160, 500]))
def test_every_sample_comes_out_once_under_its_own_index(sizes: list[int], delay: int) -> None:
    enhancer, index = late(delay), 0
    given_samples: list[int] = []
    items: list[Frame | Gap] = []
    for size in sizes:
        if size > 0:
            items += enhancer.take(Frame(sound(index, size), index))
            given_samples += range(index, index + size)
            index += size
        elif size:
            index -= size
        else:
            items += enhancer.take(Gap(index, GapReason.LOST))
    items += enhancer.flush()
    frames = [item for item in items if isinstance(item, Frame)]
    assert [n for frame in frames for n in range(frame.index, frame.end)] == given_samples
    # What was in the function's own delay line when a gap came is not asked for again: it is the library's affair.
    if all(size > 0 for size in sizes):
        assert all(frame.pcm == sound(frame.index, frame.samples) for frame in frames)


def test_all_that_was_heard_before_a_gap_comes_before_it() -> None:
    enhancer = late(96)
    items = [*enhancer.take(Frame(sound(0, 320), 0)), *enhancer.take(Gap(320, GapReason.MUTED))]
    assert [item.index for item in items] == [0, 224, 320]
    assert isinstance(items[-1], Gap)
