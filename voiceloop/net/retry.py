"""Whether and when a failed request is tried again. Pure: time and chance come in as values."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.config.tables import Retry
from voiceloop.errors import ServiceError, Unreachable

SHORTEST_WAIT_S = 0.05
"""A server that fails is never asked again without a pause, whatever is configured."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, as far as the policy needs to know it."""

    attempt: int
    """1 for the first."""
    elapsed_s: float
    """Since the first attempt began."""
    stale: bool = False
    """It broke before any answer on a connection that had been idle: the server had closed it, nothing is wrong."""


def next_wait_s(policy: Retry, error: ServiceError, failure: Failure, *, chance: float) -> float | None:
    """Seconds until the next attempt, or None to give up. `chance` is uniform in 0 to 1.

    The wait grows from `initial_ms` by `exponent` to `max_interval_ms`, and is shortened by up to half at random, so
    that many clients don't come back at once. Retry-After is a minimum. A wait that would end after `max_elapsed_s`
    is not begun: it would only keep a person waiting for the same error.
    """
    if not error.retryable or (isinstance(error, Unreachable) and not policy.connection_errors):
        return None
    if failure.elapsed_s >= policy.max_elapsed_s:
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
    return wait if failure.elapsed_s + wait <= policy.max_elapsed_s else None


def gave_up(error: ServiceError, failure: Failure) -> str:
    """What to add to the message of an error that ended the attempts."""
    parts = []
    if failure.attempt > 1:
        parts.append(f"tried {failure.attempt} times in {failure.elapsed_s:.1f} s")
    if error.retry_after_s:
        parts.append(f"it asks to wait {error.retry_after_s:.0f} s")
    return ", ".join(parts)
