"""Runs several rooms at the same time, for results that are counted and not timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, get_args

from bench.turns.room import Quiet
from voiceloop.config.tables import EchoMode

T = TypeVar("T")
MODES: Sequence[str] = [mode for mode in ("off", "cancel", "half-duplex") if mode in get_args(EchoMode)]
"""The echo modes of this version, without `auto`, which chooses one of them."""


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T | str]:
    """The result of each job, or the reason why it failed: no reply was heard, or the program didn't start."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [_outcome(future.result) for future in [pool.submit(job) for job in jobs]]


def _outcome(result: Callable[[], T]) -> T | str:
    try:
        return result()
    except (Quiet, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"[:300]
