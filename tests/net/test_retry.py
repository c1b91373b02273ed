"""Retry policy: how long to wait before the next attempt. Pure: no clock, no network."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.config.tables import Retry
from voiceloop.errors import (
    BadRequest,
    EdgeTimeout,
    NotRunning,
    RateLimited,
    ServerFailed,
    ServiceError,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from voiceloop.net.retry import NOT_RUNNING_S, Failure, next_wait_s
from voiceloop.net.values import retry_after_s

POLICY = Retry(initial_ms=500, max_interval_ms=4_000, exponent=2, max_elapsed_s=30)


def waits(error: ServiceError, policy: Retry = POLICY, *, chance: float = 0.0, service_s: float = 0.1) -> list[float]:
    """Every wait of a request that never succeeds, in virtual time."""
    elapsed, found = 0.0, list[float]()
    for attempt in range(1, 1000):
        elapsed += service_s
        wait = next_wait_s(policy, error, Failure(attempt, elapsed), chance=chance)
        if wait is None:
            return found
        found.append(wait)
        elapsed += wait
    raise AssertionError("it never gives up")


def test_waits_double_up_to_the_longest_and_end_inside_the_deadline() -> None:
    assert waits(ServerFailed("x")) == [0.5, 1, 2, 4, 4, 4, 4, 4, 4]


def test_jitter_shortens_a_wait_by_at_most_half() -> None:
    assert waits(ServerFailed("x"), chance=1.0)[:4] == [0.25, 0.5, 1, 2]


@pytest.mark.parametrize("error", [BadRequest("x"), Unauthorized("x"), ServiceError("x")])
def test_permanent_errors_are_not_retried(error: ServiceError) -> None:
    assert waits(error) == []


@pytest.mark.parametrize("error", [TimedOut("x"), RateLimited("x"), EdgeTimeout("x"), Unavailable("x")])
def test_temporary_errors_are_retried(error: ServiceError) -> None:
    assert len(waits(error)) > 2


def test_retry_after_is_waited_for() -> None:
    assert waits(RateLimited("x", retry_after_s=7.0)) == [7.0, 7.0, 7.0, 7.0]


def test_retry_after_never_shortens_the_wait() -> None:
    assert waits(RateLimited("x", retry_after_s=0.0))[:3] == [0.5, 1, 2]


def test_a_retry_after_beyond_the_deadline_gives_up_at_once() -> None:
    assert waits(RateLimited("x", retry_after_s=60.0)) == []


def test_connection_errors_are_retried_only_when_configured() -> None:
    never = POLICY.model_copy(update={"connection_errors": False})
    assert len(waits(Unreachable("x"))) > 2
    assert waits(Unreachable("x"), never) == []
    assert len(waits(ServerFailed("x"), never)) > 2


@given(st.floats(0, 1), st.floats(0, 0.5))
def test_a_server_that_is_not_running_is_given_up_within_its_short_time(chance: float, service_s: float) -> None:
    found = waits(NotRunning("x"), Retry(), chance=chance, service_s=service_s)
    assert sum(found) + service_s * len(found) <= NOT_RUNNING_S
    assert len(waits(Unreachable("x"), Retry(), chance=chance)) > len(found)


def test_a_server_that_is_not_running_is_tried_again_at_least_once() -> None:
    assert waits(NotRunning("x"), Retry(), service_s=0.001) == [0.25]


def test_no_time_means_no_retries() -> None:
    assert waits(ServerFailed("x"), Retry(max_elapsed_s=0)) == []


def test_a_connection_that_was_idle_too_long_is_replaced_at_once_but_only_once() -> None:
    failure = Failure(1, 0.01, stale=True)
    assert next_wait_s(POLICY, Unreachable("x"), failure, chance=0.5) == 0.0
    assert next_wait_s(POLICY, Unreachable("x"), Failure(2, 0.02, stale=True), chance=0) == 1.0
    assert next_wait_s(POLICY, TimedOut("x"), failure, chance=0) == 0.5


intervals = st.tuples(st.integers(0, 60_000), st.integers(0, 60_000)).map(sorted)
retries = st.builds(
    lambda interval, exponent, elapsed: Retry(
        initial_ms=interval[0], max_interval_ms=interval[1], exponent=exponent, max_elapsed_s=elapsed
    ),
    intervals,
    st.floats(1, 10),
    st.floats(0, 3600),
)


def test_a_policy_without_waits_does_not_hammer_the_server() -> None:
    assert len(waits(ServerFailed("x"), Retry(initial_ms=0, max_interval_ms=0, max_elapsed_s=1), service_s=0)) <= 20


@given(retries, st.integers(1, 10_000), st.floats(0, 1e9), st.none() | st.floats(0, 1e9), st.floats(0, 1))
def test_no_wait_ends_after_the_deadline(
    policy: Retry, attempt: int, elapsed_s: float, asked: float | None, chance: float
) -> None:
    wait = next_wait_s(policy, RateLimited("x", retry_after_s=asked), Failure(attempt, elapsed_s), chance=chance)
    if wait is not None:
        assert elapsed_s + wait <= policy.max_elapsed_s
        assert asked is None or wait >= asked
        assert wait >= 0


NOW = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        (" 0.5 ", 0.5),
        ("-1", 0.0),
        ("Sat, 01 Aug 2026 12:00:10 GMT", 10.0),
        ("Sat, 01 Aug 2026 11:00:00 GMT", 0.0),
        ("99999999999", 3600.0),
        ("inf", 3600.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 5000, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, now=NOW) == seconds


@given(st.text(max_size=100))
def test_any_retry_after_is_accepted(header: str) -> None:
    found = retry_after_s(header)
    assert found is None or 0 <= found <= 3600
