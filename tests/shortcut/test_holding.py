"""What a press of the shortcut means, in virtual time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.shortcut.holding import TAP_MS, Holding


def test_a_hold_listens_for_as_long_as_it_lasts() -> None:
    holding = Holding()
    assert holding.press(0, listening=False) == "start"
    assert holding.release(2_000) == "stop"


def test_a_tap_starts_and_the_next_tap_stops() -> None:
    holding = Holding()
    assert holding.press(0, listening=False) == "start"
    assert holding.release(100) is None
    assert holding.press(5_000, listening=True) is None
    assert holding.release(5_100) == "stop"


def test_a_hold_ends_what_a_tap_began() -> None:
    holding = Holding()
    holding.press(0, listening=False)
    holding.release(100)
    assert holding.press(5_000, listening=True) is None
    assert holding.release(9_000) == "stop"


def test_the_repetition_of_a_held_key_is_no_press() -> None:  # Plasma 6.3: after 600 ms, every 40 ms
    holding = Holding()
    assert holding.press(0, listening=False) == "start"
    assert [holding.press(at, listening=True) for at in range(600, 1_500, 40)] == [None] * 23
    assert holding.release(1_500) == "stop"


def test_after_a_lost_release_the_next_press_counts() -> None:
    holding = Holding()
    holding.press(0, listening=False)
    assert holding.press(5_000, listening=True) is None
    assert holding.release(5_100) == "stop"


def test_a_release_without_a_press_does_nothing() -> None:
    assert Holding().release(0) is None


def test_what_is_held_when_the_shortcut_is_lost_is_released() -> None:
    holding = Holding()
    holding.press(0, listening=False)
    assert holding.lose() == "stop"
    assert holding.release(100) is None
    assert Holding().lose() is None


@given(st.lists(st.tuples(st.integers(1, 3_000), st.booleans()), max_size=20))
def test_whatever_is_pressed_a_hold_never_leaves_it_listening(moves: list[tuple[int, bool]]) -> None:
    holding, now, listening = Holding(), 0.0, False
    for wait_ms, down in [*moves, (5_000, False), (5_000, True), (TAP_MS, False)]:
        now += wait_ms
        command = holding.press(now, listening=listening) if down else holding.release(now)
        listening = {"start": True, "stop": False, None: listening}[command]
    assert not listening
