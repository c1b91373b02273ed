"""Runs a command's work on Trio: signals, and one clear line out of whatever group of errors comes up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voiceloop.errors import VoiceloopError, first


def run_async(work: Callable[[], Awaitable[int]]) -> None:
    """Run `work` until it ends or is told to, and end the command with its exit code. Raises one VoiceloopError."""
    import trio

    from voiceloop.app import until_told

    failed: BaseExceptionGroup[VoiceloopError] | None = None
    code = 0
    try:
        code = trio.run(until_told, work)
    except* VoiceloopError as group:
        failed = group
    if failed is not None:  # raised only here: within `except*`, Python 3.11.2 would put it into a group again
        raise first(failed) from failed
    raise SystemExit(code)
