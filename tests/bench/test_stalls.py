"""The benchmark of stalls: what is missing in a recording, by the place of the sound after it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stalls.__main__ import Result
from bench.stalls.slips import Missing, holds_end, missing
from testbed.sound.cable import MIC_HZ
from testbed.sound.samples import noise

SAID = noise(2.0, MIC_HZ)
SILENCE = bytes(2 * MIC_HZ)
MIDDLE = len(SAID) // 2


def recorded(said: bytes) -> bytes:
    return SILENCE[:3210] + said + SILENCE


def test_nothing_is_missing_in_a_whole_recording() -> None:
    assert missing(SAID, recorded(SAID), MIC_HZ, after_s=0.5) == 0


@given(samples=st.integers(1, MIC_HZ // 4))
def test_what_was_cut_out_is_counted_to_the_sample(samples: int) -> None:
    cut = SAID[:MIDDLE] + SAID[MIDDLE + 2 * samples :]
    assert missing(SAID, recorded(cut), MIC_HZ, after_s=0.5) == samples


@given(samples=st.integers(1, MIC_HZ))
def test_silence_in_between_counts_as_less_than_nothing(samples: int) -> None:
    torn = SAID[:MIDDLE] + bytes(2 * samples) + SAID[MIDDLE:]
    assert missing(SAID, recorded(torn), MIC_HZ, after_s=0.5) == -samples


def test_a_sound_that_broke_off_is_not_found() -> None:
    broken = recorded(SAID[:MIDDLE])
    assert not holds_end(SAID, broken, MIC_HZ)
    with pytest.raises(Missing, match=r"the piece at 1\.80 s was not heard"):
        missing(SAID, broken, MIC_HZ, after_s=0.5)


def test_the_end_is_looked_for_at_the_end() -> None:
    assert holds_end(SAID, SILENCE + SAID, MIC_HZ)
    assert not holds_end(SAID, SAID + 2 * SILENCE, MIC_HZ)


def test_silence_put_in_between_makes_up_for_no_loss() -> None:
    result = Result("GIL held", 100, lost=[160, -320, 0], ledger=[160, 0, 0])
    assert result.line() == "| GIL held | 100 ms | 1 of 3 | 160 | 10 ms | 160 | 0 | 0 |"


def test_a_row_without_any_recording_says_so() -> None:
    assert (
        Result("process stopped", 500, deaf=3).line()
        == "| process stopped | 500 ms | 0 of 0 | 0 | not heard | 0 | 0 | 3 |"
    )
