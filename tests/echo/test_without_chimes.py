"""The filter that keeps the chimes out of the microphone's frames."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceloop.echo.notch import Notch
from voiceloop.echo.without_chimes import WithoutChimes
from voiceloop.playback.earcon import CHIME_HZ, chime
from voiceloop.types import CAPTURE_RATE_HZ, Frame


def db(removed: bytes, original: bytes) -> float:
    """The level of a sound relative to another, by their largest samples."""
    return 20 * math.log10(max(map(abs, array("h", removed))) / max(map(abs, array("h", original))))


def tone(pitch_hz: float, seconds: float = 0.5) -> bytes:
    count = round(seconds * CAPTURE_RATE_HZ)
    return array(
        "h", [round(9000 * math.sin(2 * math.pi * pitch_hz * n / CAPTURE_RATE_HZ)) for n in range(count)]
    ).tobytes()


@pytest.mark.parametrize("rising", [True, False])
def test_of_a_chime_not_a_hundredth_is_left_at_any_delay_and_level(rising: bool) -> None:
    for delay, factor in [(0, 1.0), (777, 0.25), (3001, 2.0)]:
        played = array("h", chime(CAPTURE_RATE_HZ, rising=rising))
        echo = bytes(2 * delay) + array("h", [round(factor * s) for s in played]).tobytes() + bytes(8_000)
        assert db(Notch(CHIME_HZ).filter(echo), echo) < -38


@pytest.mark.parametrize("pitch_hz", [110, 220, 440, 700, 1280, 2000, 3500])
def test_other_pitches_stay(pitch_hz: float) -> None:
    sound = tone(pitch_hz)
    assert db(Notch(CHIME_HZ).filter(sound), sound) == pytest.approx(0, abs=2.5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=8))
def test_how_the_sound_is_cut_makes_no_difference(sizes: list[int]) -> None:
    sound = tone(900, 0.1) + chime(CAPTURE_RATE_HZ, rising=True)
    pieces, notch, at = b"", Notch(CHIME_HZ), 0
    for size in sizes:
        pieces += notch.filter(sound[at : at + 2 * size])
        at += 2 * size
    pieces += notch.filter(sound[at:])
    assert pieces == Notch(CHIME_HZ).filter(sound)


def test_the_loudest_sound_is_clipped_and_nothing_fails() -> None:
    square = array("h", ([32767] * 8 + [-32768] * 8) * 200).tobytes()
    assert len(Notch(CHIME_HZ).filter(square)) == len(square)


def test_only_frames_in_which_a_chime_may_be_heard_are_changed() -> None:
    heard = {1, 2, 5}
    without = WithoutChimes(lambda at: round(at * 50) in heard, lambda index: index / CAPTURE_RATE_HZ)
    sound = tone(CHIME_HZ[0], 0.02)
    changed = {n for n in range(8) if without(Frame(sound, n * 320)).pcm != sound}
    assert changed == heard


def test_after_a_gap_the_filter_begins_anew() -> None:
    sound = chime(CAPTURE_RATE_HZ, rising=True)[:640]
    without = WithoutChimes(lambda at: True, lambda index: index / CAPTURE_RATE_HZ)
    first = without(Frame(sound, 0)).pcm
    assert without(Frame(sound, 320)).pcm != first
    assert without(Frame(sound, 99_000)).pcm == first
