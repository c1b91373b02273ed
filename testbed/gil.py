"""How long other threads hold the GIL, as an audio callback meets it: a thread that wants it every 5 ms.

A tick is late for one of three reasons, of which only the last is the program's fault:

    the ticker had to wait for a processor       the kernel counts it (schedstat): subtracted
    whoever holds the GIL waits for a processor  then our threads use no processor time: not counted
    another thread holds the GIL, and works      counted

So a busy machine makes little difference. What is not seen: a thread that sleeps while it holds the GIL. What is
counted wrongly, seldom: the holder waits for a processor while a third thread of ours works without the GIL.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

TICK_S = 0.005


class _Sample(NamedTuple):
    now_s: float
    queued_s: float
    """How long the ticker has waited for a processor."""
    others_s: float
    """The processor time of all other threads of the process."""


class GilWatch:
    """A context manager. `longest_s`: the longest time for which another thread kept the GIL."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.ticks = 0
        self._over = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="ticker")

    def __enter__(self) -> Self:
        # As the program does before it listens: a collection over all objects of the tests would hold the GIL, too.
        gc.collect()
        gc.freeze()
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        gc.unfreeze()

    def _tick(self) -> None:
        statistics = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        try:
            last = _sample(statistics)
            self._begun.set()
            while not self._over.is_set():
                time.sleep(TICK_S)
                now = _sample(statistics)
                blocked_s = now.now_s - last.now_s - TICK_S - (now.queued_s - last.queued_s)
                self.longest_s = max(self.longest_s, min(blocked_s, now.others_s - last.others_s))
                self.ticks += 1
                last = now
        finally:
            os.close(statistics)


def _sample(statistics: int) -> _Sample:
    queued_ns = int(os.pread(statistics, 100, 0).split()[1])
    return _Sample(time.perf_counter(), queued_ns / 1e9, time.process_time() - time.thread_time())
