"""A nursery used as an implementation detail, whose single exception is unwrapped from its group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def private_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks are cancelled when the body ends.

    The body's own exception is raised as it is, without a group. Else, if exactly one task failed, its exception is
    raised as it is; if several did, their group.
    """
    failed: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except Exception as error:  # noqa: BLE001 - raised again below, outside of the group
                failed = error
            nursery.cancel_scope.cancel("the body has ended")
    except BaseExceptionGroup as group:
        if failed is None and len(group.exceptions) == 1:
            failed = _single(group)
        if failed is None:
            raise
    if failed is not None:
        raise failed


def _single(group: BaseExceptionGroup[BaseException]) -> Exception | None:
    """The exception inside nested groups of one; None if a group holds several, or if it is no `Exception`."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Exception) and not isinstance(error, BaseExceptionGroup) else None
