"""The rules by which a reused connection is trusted, in times that are arguments."""

from __future__ import annotations

import pytest

from voiceloop.net.trust import Acknowledgements, IdleTimes, Suspends

AGES: list[tuple[dict[str, float], int]] = [
    ({}, 0),
    ({"a": 0.0}, 0),
    ({"a": 4.9}, 0),
    ({"a": 5.0}, 1),
    ({"a": 4.9, "b": 5.0}, 2),  # the pool chooses: with one request the young one alone might be asked
    ({"a": 600.0, "b": 7.0, "c": 0.1}, 3),
]


@pytest.mark.parametrize(("ages", "asked"), AGES)
def test_all_idle_connections_are_asked_once_one_was_idle_for_5_s(ages: dict[str, float], asked: int) -> None:
    times, now_s = IdleTimes(), 1000.0
    for age_s in sorted(set(ages.values()), reverse=True):
        times.seen([name for name, known_s in ages.items() if known_s >= age_s], now_s - age_s)
    assert times.to_ask(list(ages), now_s) == asked


def test_a_connection_that_was_used_meanwhile_is_trusted() -> None:
    times = IdleTimes()
    times.seen(["a"], 0.0)
    times.seen([], 8.0)  # taken
    times.seen(["a"], 9.0)  # given back
    assert times.to_ask(["a"], 13.9) == 0
    assert times.to_ask(["a"], 14.0) == 1


SILENCES: list[tuple[str, list[tuple[float, int, float]], bool]] = [
    # when looked, segments on their way, how long ago anything was acknowledged. All is sent at 100 s.
    ("all is acknowledged: the server is only slow", [(100.5, 0, 0.4), (106.0, 0, 5.9)], False),
    ("nothing was, after a long idle time", [(100.5, 3, 600.5), (101.9, 3, 601.9)], False),
    ("nothing was for 2 s", [(100.5, 3, 600.5), (102.0, 3, 602.0)], True),
    ("some of it is acknowledged all the time", [(100.5, 3, 0.1), (103.0, 9, 0.3), (120.0, 9, 1.9)], False),
    ("the other side's window is full", [(100.5, 0, 0.2), (130.0, 0, 0.2)], False),
    ("it died on the way", [(100.5, 3, 0.1), (101.5, 3, 1.1), (102.5, 3, 2.1)], True),
]


@pytest.mark.parametrize(("_what", "looks", "dead"), SILENCES, ids=[row[0] for row in SILENCES])
def test_2_s_without_an_acknowledgement_end_a_connection(
    _what: str, looks: list[tuple[float, int, float]], *, dead: bool
) -> None:
    acknowledgements = Acknowledgements()
    acknowledgements.sending(100.0, unacknowledged=0)
    acknowledgements.sending(100.0, unacknowledged=1)  # the head is on its way, the body follows
    found = [acknowledgements.overdue(at, unacknowledged=count, last_s=last_s) for at, count, last_s in looks]
    assert found == [False] * (len(looks) - 1) + [dead]


def test_what_is_sent_later_has_its_own_2_s() -> None:
    acknowledgements = Acknowledgements()
    acknowledgements.sending(0.0, unacknowledged=0)
    assert not acknowledgements.overdue(0.5, unacknowledged=0, last_s=0.5)
    acknowledgements.sending(60.0, unacknowledged=0)
    assert not acknowledgements.overdue(61.5, unacknowledged=1, last_s=61.5)
    assert acknowledgements.overdue(62.0, unacknowledged=1, last_s=62.0)


def test_a_suspend_of_1_s_is_noticed_once() -> None:
    suspends = Suspends(50.0)
    assert [suspends.again(at) for at in (50.0, 50.9, 51.0, 51.0, 51.9, 3600.0)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
