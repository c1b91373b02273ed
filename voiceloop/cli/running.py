"""Runs a command's work on Trio: signals, and one clear line out of whatever group of errors comes up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voiceloop.errors import VoiceloopError, first


def run_async(work: Callable[[], Awaitable[int]]) -> None:
    """Run `work` until it ends or is told to, and end the command with its exit code. Raises one VoiceloopError."""
    import trio

    from voiceloop.app import until_told

    try:
        code = trio.run(until_told, work)
    except* VoiceloopError as group:
        raise first(group) from group
    else:
        raise SystemExit(code)
