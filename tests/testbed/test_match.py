"""Pieces of a sound that was heard, in order."""

from __future__ import annotations

from testbed.sound.match import in_order


def test_what_is_out_of_place_is_left_out_and_what_was_cut_out_shows() -> None:
    assert in_order([]) == []
    assert in_order([10, 10, 9, 10, 250, 250]) == [10, 10, 9, 10, 250, 250]  # a gap
    assert in_order([10, 10, -140, 10, 10]) == [10, 10, 10, 10]  # one was found elsewhere
    assert in_order([10, 10, 10, -2400, -2400]) == [10, 10, 10]  # 100 ms were cut out
