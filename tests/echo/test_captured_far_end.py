"""The loudspeaker's captured sound as a far end: what is contiguous, and when it was played."""

from __future__ import annotations

from array import array

from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.types import FRAME_SAMPLES, Frame, Gap, GapReason


def frame(number: int) -> Frame:
    """A frame in which every sample is its number."""
    return Frame(array("h", [number] * FRAME_SAMPLES).tobytes(), number * FRAME_SAMPLES)


def captured(index: int) -> float:
    return 100.0 + index / 16_000


def test_frames_are_contiguous_and_count_as_played_before_they_were_captured() -> None:
    far = CapturedFarEnd(captured)
    for number in range(3):
        far.add(frame(number))
    blocks = far.take()
    assert [block.start for block in blocks] == [0, 320, 640]
    assert len({block.stream for block in blocks}) == 1
    assert all(block.at < captured(block.start) for block in blocks)
    assert far.until == blocks[-1].at + 0.02
    assert far.take() == []


def test_what_follows_a_gap_is_a_new_stream() -> None:
    far = CapturedFarEnd(captured)
    far.add(frame(0))
    far.add(Gap(320, GapReason.LOST))
    far.add(frame(1))
    before, after = far.take()
    assert after.stream != before.stream
    assert after.start == 0


def test_what_was_played_in_a_time_is_known_for_twelve_seconds() -> None:
    far = CapturedFarEnd(captured)
    for number in range(1000):
        far.add(frame(number))
    blocks = far.take()
    start_s = blocks[900].at
    assert far.between(start_s + 0.001, start_s + 0.059) == b"".join(frame(number).pcm for number in (900, 901, 902))
    assert far.between(blocks[0].at, blocks[1].at) == b""


def test_while_nobody_gathers_no_more_than_half_a_minute_waits() -> None:
    far = CapturedFarEnd(captured)
    for number in range(2000):
        far.add(frame(number))
    assert len(far.take()) == 1500
