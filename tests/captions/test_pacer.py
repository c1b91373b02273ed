"""The pacer of guesses: by the budget of posted audio with a server, by the time that guesses take without one."""

from __future__ import annotations

import pytest

from voiceloop.captions.options import CaptionsOptions
from voiceloop.captions.pacer import SHARE, Pacer
from voiceloop.captions.program import pacer_of


def due(pacer: Pacer, now_s: float, *, clip_s: float = 4.0, crowded: bool = False) -> bool:
    return pacer.due(now_s=now_s, clip_s=clip_s, reserve_s=0.0, crowded=crowded)


def test_without_a_budget_the_interval_follows_the_time_that_the_last_guess_took() -> None:
    pacer = Pacer(every_s=0.3, budget_s=None)
    pacer.begin(10.0)
    assert not due(pacer, 10.2)
    assert due(pacer, 10.3)
    pacer.guess(now_s=10.3, clip_s=4.0)
    pacer.took(0.4)  # a slow machine
    assert not due(pacer, 10.3 + 0.4 / SHARE - 0.01)
    assert due(pacer, 10.3 + 0.4 / SHARE + 0.01)
    pacer.guess(now_s=12.0, clip_s=4.0)
    pacer.took(0.01)
    assert due(pacer, 12.31)


def test_guesses_without_a_budget_take_at_most_their_share_of_the_time() -> None:
    pacer, took_s, busy_s, now_s = Pacer(every_s=0.3, budget_s=None), 0.25, 0.0, 0.0
    pacer.begin(0.0)
    while now_s < 60:
        pacer.hear(0.02)
        if due(pacer, now_s):
            pacer.guess(now_s=now_s, clip_s=5.0)
            pacer.took(took_s)
            busy_s += took_s
        now_s += 0.02
    assert 0.8 * SHARE <= busy_s / 60 <= SHARE * 1.02


def test_without_a_budget_any_clip_is_affordable() -> None:
    pacer = Pacer(every_s=0.3, budget_s=None)
    pacer.post(1_000.0)
    assert pacer.affords(30.0, reserve_s=30.0)
    assert pacer.posted_s == 1_000.0


def test_with_a_budget_the_time_that_a_guess_took_does_not_matter_but_the_audio_does() -> None:
    pacer = Pacer(every_s=0.7, budget_s=5.0)
    pacer.begin(0.0)
    pacer.hear(1.0)
    pacer.took(60.0)
    assert due(pacer, 0.7)
    assert not due(pacer, 0.7, clip_s=5.1)


def test_after_a_guess_of_no_use_the_next_one_is_due_at_once() -> None:
    pacer = Pacer(every_s=1.2, budget_s=None)
    pacer.guess(now_s=10.0, clip_s=3.0)
    pacer.again()
    assert due(pacer, 10.3)


def test_on_a_server_that_costs_nothing_the_next_guess_waits_for_the_last_one() -> None:
    pacer = pacer_of(CaptionsOptions(), embedded=False, paid=False)
    pacer.begin(0.0)
    pacer.guess(now_s=1.2, clip_s=1_000.0)
    pacer.took(3.0)  # a slow server
    assert not due(pacer, 4.1)
    assert due(pacer, 4.3)


@pytest.mark.parametrize(
    ("options", "embedded", "paid", "every_s", "budget_s"),
    [
        ({}, False, True, 1.2, 5.0),
        ({}, False, False, 1.2, None),
        ({}, True, False, 0.4, None),
        ({"guess_every_ms": 1_000}, False, True, 1.0, 5.0),
        ({"guess_every_ms": 1_000}, True, False, 1.0, None),
        ({"posted_per_second": 3.0}, False, True, 1.2, 3.0),
        ({"posted_per_second": 3.0}, False, False, 1.2, None),
    ],
)
def test_the_pace_is_that_of_the_options_or_suits_where_the_engine_runs(
    options: dict[str, float], embedded: bool, paid: bool, every_s: float, budget_s: float | None
) -> None:
    pacer = pacer_of(CaptionsOptions.model_validate(options), embedded=embedded, paid=paid)
    assert (pacer.every_s, pacer.budget_s) == (every_s, budget_s)
