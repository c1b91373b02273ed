"""Several rooms at once, for what is counted rather than timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, get_args

from bench.turns.room import Quiet
from voiceloop.config.tables import EchoMode

T = TypeVar("T")
MODES: Sequence[str] = [mode for mode in ("off", "cancel", "half-duplex") if mode in get_args(EchoMode)]
"""The echo modes that this loop knows, but for `auto`, which is one of them."""


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T | str]:
    """What each job gives, or, for one whose room fell silent or whose loop didn't start, why."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [_outcome(future.result) for future in [pool.submit(job) for job in jobs]]


def _outcome(result: Callable[[], T]) -> T | str:
    try:
        return result()
    except (Quiet, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"[:300]
