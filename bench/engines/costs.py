"""Costs of the measuring process and its children: memory, processor time, and how late a thread's ticks come.

Imports nothing heavy: it runs beside the engine that is measured.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

TICK_S = 0.005


def memory_mb() -> float:
    """Memory in use, with shared pages counted in proportion (PSS), in MB (2**20 bytes)."""
    return sum(_pss_kb(pid) for pid in _processes()) / 1024


def cpu_s() -> float:
    """User and system time so far, in seconds."""
    ticks = 0
    for pid in _processes():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> list[int]:
    """This process and its children, whichever of its threads started them."""
    own = os.getpid()
    listed = (path.read_text(encoding="utf-8") for path in Path(f"/proc/{own}/task").glob("*/children"))
    return [own, *(int(child) for line in listed for child in line.split())]


def _pss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


class Ticker:
    """A thread that wakes every 5 ms, like an audio callback. `late_ms`: how late it woke at worst."""

    def __init__(self) -> None:
        self.late_ms = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="ticker")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        begun = time.perf_counter()
        while not self._over.wait(TICK_S):
            now = time.perf_counter()
            self.late_ms = max(self.late_ms, (now - begun - TICK_S) * 1_000)
            begun = now
