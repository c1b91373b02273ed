"""The pauses before a lost connection is tried again."""

from __future__ import annotations

from voiceloop.transcribe.realtime.pauses import FIRST_S, LONGEST_S, Pauses


def test_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    pauses, now, waits = Pauses(), 0.0, []
    for _ in range(12):
        assert pauses.over(now)
        pauses.failed(now)
        began = now
        while not pauses.over(now):
            now += 0.5
        waits.append(now - began)
    assert waits[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_two_connections_that_are_lost_at_once_make_one_pause() -> None:
    pauses = Pauses()
    pauses.failed(0.0)
    pauses.failed(0.1)
    assert pauses.over(FIRST_S)


def test_after_a_success_the_pauses_are_short_again() -> None:
    pauses = Pauses()
    for at in (0.0, 100.0, 200.0):
        pauses.failed(at)
    assert pauses.down
    pauses.worked()
    assert not pauses.down
    pauses.failed(300.0)
    assert pauses.over(300.0 + FIRST_S)
