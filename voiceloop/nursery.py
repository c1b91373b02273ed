"""A nursery that its owner's callers need not know of: what they raise leaves bare, not in a group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def private_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery that is cancelled when the body ends. The body's error is raised as it is; else that of a task, bare
    where there is only one."""
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
            failed = _only(group)
        if failed is None:
            raise
    if failed is not None:
        raise failed


def _only(group: BaseExceptionGroup[BaseException]) -> Exception | None:
    """The single Exception at the bottom of `group`, if that is all there is."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, Exception) and not isinstance(error, BaseExceptionGroup) else None
