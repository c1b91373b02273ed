"""Tries a family's inputs one after the other: counts crashes and hangs, and measures time and memory.

Input number N of a family depends on the seed, the family's name and N alone, so any of them can be made again. An
input's time is the processor's: other programs don't change it. An input that takes over `STUCK_S` is broken off. A
warning is a fault, too.
"""

from __future__ import annotations

import gc
import signal
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType

from bench.fuzz.family import Family, Fault, Figures

HANG_S = 1.0
"""No input may take longer."""
STUCK_S = 20.0
MOST_FAULTS = 20
"""A family in which so many inputs failed is not tried any further."""
LEAK_MB = 4.0
_MB = 1024 * 1024


class Stuck(BaseException):
    """An input took `STUCK_S`. No `Exception`: nothing in the code that is tried may catch it."""


def random_of(seed: int, name: str, number: int) -> Random:
    """What input `number` of a family is made from."""
    return Random(f"{seed} {name} {number}")


def measured(family: Family, *, seed: int, goes_on: Callable[[Figures], bool]) -> Figures:
    """Try inputs from number 0 on while `goes_on` says so."""
    figures = Figures()
    settled = 0
    with _traced(), warnings.catch_warnings():
        warnings.simplefilter("error")
        _one(family, seed, Figures(inputs=-1))  # imports, caches
        began = time.monotonic()
        while goes_on(figures) and len(figures.faults) < MOST_FAULTS:
            _one(family, seed, figures)
            figures.took_s = time.monotonic() - began
            if figures.inputs in {200, 2_000}:
                settled = _held()
        figures.grown_mb = max(0.0, (_held() - settled) / _MB) if settled else 0.0
    if figures.grown_mb > LEAK_MB:
        figures.faults.append(Fault("memory", figures.inputs, f"{figures.grown_mb:.1f} MB were not given back"))
    return figures


def again(family: Family, *, seed: int, number: int) -> None:
    """Try one input again; what it raises is raised."""
    family.attempt(random_of(seed, family.name, number))


def _one(family: Family, seed: int, figures: Figures) -> None:
    number = figures.inputs
    random = random_of(seed, family.name, number)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    began = time.process_time()
    try:
        with broken_off():
            family.attempt(random)
    except Stuck:
        figures.faults.append(Fault("hang", number, f"broken off after {STUCK_S:g} s"))
    except (Exception, SystemExit, BaseExceptionGroup) as error:  # noqa: BLE001 - to find all of them is its purpose
        figures.faults.append(Fault("crash", number, _told(error)))
    took_s = time.process_time() - began
    peak_mb = max(0.0, (tracemalloc.get_traced_memory()[1] - before) / _MB)
    figures.inputs += 1
    if took_s > figures.slowest_s:
        figures.slowest_s, figures.slowest = took_s, number
    figures.peak_mb = max(figures.peak_mb, peak_mb)
    if HANG_S < took_s < STUCK_S:
        figures.faults.append(Fault("hang", number, f"took {took_s:.2f} s"))
    if peak_mb > family.most_mb:
        figures.faults.append(Fault("memory", number, f"took {peak_mb:.0f} MB"))


def _told(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        frames = traceback.extract_tb(error.__traceback__) or frames
    place = next(
        (frame for frame in reversed(frames) if "/voiceloop/" in frame.filename), frames[-1] if frames else None
    )
    where = f"{place.filename.rpartition('/voiceloop/')[2]}:{place.lineno}" if place is not None else "?"
    return f"{type(error).__name__} at {where}: {str(error)[:200]!r}"


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def _traced() -> Iterator[None]:
    tracemalloc.start(1)
    try:
        yield
    finally:
        tracemalloc.stop()


@contextmanager
def broken_off() -> Iterator[None]:
    """Raise `Stuck` in the body when it has taken `STUCK_S` of the processor's time."""

    def stop(_: int, __: FrameType | None) -> None:
        raise Stuck

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, STUCK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
