"""What was cut out of a sound, or put in, shows after resampling, too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.sound.comparing import Comparing, Exact, Resampled
from testbed.sound.samples import noise
from voiceloop.audio.resample import resample

HZ = 24_000
SAID = noise(0.5, HZ)
SILENCE = bytes(2 * 1000)
BOTH = pytest.mark.parametrize("compare", [Exact(), Resampled()], ids=["exact", "resampled"])


def through_48_khz(pcm: bytes) -> bytes:
    """The sound at half its volume and half a sample later, as a graph at 48 kHz passes it on."""
    doubled = resample(pcm, from_hz=HZ, to_hz=2 * HZ)
    return resample(b"\0\0" + doubled, from_hz=2 * HZ, to_hz=HZ)


def passed_on(pcm: bytes, compare: Comparing) -> bytes:
    return through_48_khz(pcm) if isinstance(compare, Resampled) else pcm


@BOTH
def test_a_sound_that_arrived_has_no_gaps(compare: Comparing) -> None:
    heard = passed_on(SILENCE + SAID + SILENCE, compare)
    assert compare.gaps(SAID, heard) == []
    assert compare.ends(SAID, heard)
    assert not compare.ends(SAID, heard[: len(SAID)])


@BOTH
@given(at=st.integers(1500, 10_000), gap=st.integers(10, 20_000))
def test_a_gap_is_found_with_its_length(compare: Comparing, at: int, gap: int) -> None:
    heard = passed_on(SILENCE + SAID[: 2 * at] + bytes(2 * gap) + SAID[2 * at :], compare)
    assert compare.gaps(SAID, heard) == [pytest.approx(gap, abs=1)]


@BOTH
@given(at=st.integers(1500, 8000), length=st.integers(10, 2500))
def test_what_was_cut_out_is_no_success(compare: Comparing, at: int, length: int) -> None:
    heard = passed_on(SILENCE + SAID[: 2 * at] + SAID[2 * (at + length) :] + SILENCE, compare)
    with pytest.raises((AssertionError, ValueError)):
        compare.gaps(SAID, heard)


@pytest.mark.parametrize("at", [0, 100, 5000])
def test_a_cycle_that_was_replaced_by_silence_is_a_fault_only_where_sound_passes_unchanged(at: int) -> None:
    without = SAID[: 2 * at] + bytes(2 * 128) + SAID[2 * (at + 128) :]
    assert Resampled().gaps(SAID, through_48_khz(SILENCE + without)) == []
    with pytest.raises((AssertionError, ValueError)):
        Exact().gaps(SAID, SILENCE + without)
    several = b"".join(SAID[at : at + 1600] + bytes(400) for at in range(0, len(SAID), 2000))
    with pytest.raises(AssertionError):
        Resampled().gaps(SAID, through_48_khz(SILENCE + several))


@BOTH
def test_another_sound_is_not_taken_for_the_one_that_was_played(compare: Comparing) -> None:
    other = passed_on(noise(1.0, HZ, seed=2), compare)
    assert not compare.holds(SAID[: 2 * 480], other)
    assert not compare.holds(SAID, b"")
    with pytest.raises((AssertionError, ValueError)):
        compare.gaps(SAID, other)


@pytest.mark.parametrize("before", [200, 500])
def test_the_end_is_heard_though_a_cycle_in_it_was_replaced_by_silence(before: int) -> None:
    at = len(SAID) // 2 - before
    without = SAID[: 2 * at] + bytes(2 * 128) + SAID[2 * (at + 128) :]
    assert Resampled().ends(SAID, through_48_khz(SILENCE + without + SILENCE))
    assert not Resampled().ends(SAID, through_48_khz(SILENCE + without[:-1000]))
