"""A nursery used as an implementation detail, whose single exception is unwrapped from its group; and plug-ins' errors.

What a plug-in raises may be no `Exception`: `SystemExit`, `KeyboardInterrupt`, asyncio's `CancelledError`, one of its
own. `contained` makes an `EngineError` of that, so that the code around it can handle it as any other error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from voiceloop.errors import EngineError, first

_T = TypeVar("_T")


async def contained(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do `work` of a plug-in. Of what it raises, only an `Exception` and Trio's `Cancelled` get out; all else becomes
    an `EngineError`."""
    try:
        return await work()
    except (Exception, trio.Cancelled):
        raise
    except BaseExceptionGroup as group:
        cancelled, rest = group.split(trio.Cancelled)
        if rest is None or isinstance(rest, ExceptionGroup):
            raise
        error = _as_engine_error(first(rest))
        raise (error if cancelled is None else group.derive([cancelled, error])) from group
    except BaseException as error:
        raise _as_engine_error(error) from error


def _as_engine_error(error: BaseException) -> EngineError:
    return EngineError(f"{type(error).__name__}: {error}".rstrip(": "))


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
