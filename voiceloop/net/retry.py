"""The retry policy: whether and when a failed request is tried again. Pure: time and randomness are passed in."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.config.server_tables import Retry
from voiceloop.errors import NotRunning, ServiceError, Unreachable

SHORTEST_WAIT_S = 0.05
"""Minimum pause before a retry, whatever the config says."""
NOT_RUNNING_S = 0.7
"""How long a server of this machine or the local network is tried that takes no connections. It may just be restarting;
but a longer wait rarely helps, and the user hears nothing in it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What the policy needs to know of one failed attempt."""

    attempt: int
    """Number of the attempt; 1 for the first."""
    elapsed_s: float
    """Time since the first attempt began."""
    stale: bool = False
    """The attempt used an idle connection and broke before any answer: the server had closed the connection, which is
    normal."""


def next_wait_s(policy: Retry, error: ServiceError, failure: Failure, *, chance: float) -> float | None:
    """Seconds until the next attempt, or None to give up. `chance` is a random number, uniform in 0 to 1.

    The wait grows from `initial_ms` by the factor `exponent` up to `max_interval_ms`, and is shortened by up to half
    at random, so that many clients don't return at the same moment. A Retry-After header sets a minimum. A wait that
    would end after `max_elapsed_s` is not begun: the user would only wait for the same error. The first retry after
    a stale connection needs no wait.

    `NotRunning` is tried again for `NOT_RUNNING_S` at most. A server that answers, but is still loading its model, is
    tried for the whole time.
    """
    if not error.retryable or (isinstance(error, Unreachable) and not policy.connection_errors):
        return None
    limit_s = min(policy.max_elapsed_s, NOT_RUNNING_S) if isinstance(error, NotRunning) else policy.max_elapsed_s
    if failure.elapsed_s >= limit_s:
        return None
    if failure.stale and failure.attempt == 1 and isinstance(error, Unreachable):
        return 0.0
    longest = policy.max_interval_ms / 1000
    try:
        wait = min(longest, policy.initial_ms / 1000 * policy.exponent ** (failure.attempt - 1))
    except OverflowError:
        wait = longest
    wait = max(wait * (1 - chance / 2), SHORTEST_WAIT_S)
    if error.retry_after_s is not None:
        wait = max(wait, error.retry_after_s)
    return wait if failure.elapsed_s + wait <= limit_s else None


def gave_up(error: ServiceError, failure: Failure) -> str:
    """A note for the message of the final error: the number of attempts, and the wait that the server asks for."""
    parts = []
    if failure.attempt > 1:
        parts.append(f"tried {failure.attempt} times in {failure.elapsed_s:.1f} s")
    if error.retry_after_s:
        parts.append(f"the server asks to wait {error.retry_after_s:.0f} s")
    return ", ".join(parts)
