"""The watch on the GIL: it sees who holds it, and nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from testbed.gil import GilWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's statistics of threads are Linux's")


@contextmanager
def busy_machine() -> Iterator[None]:
    """Twice as many processes as processors, each of which takes all it can get."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def hold_gil(seconds: float) -> float:
    """Hold the GIL for about `seconds` of work; gives the processor time it took."""
    numbers = range(100_000)
    began = time.thread_time()
    sum(numbers)
    times = max(1, round(seconds / (time.thread_time() - began)))
    began = time.thread_time()
    sum(range(100_000 * times))  # one call of C, in which the GIL is not given away
    return time.thread_time() - began


def work_without_gil() -> None:
    hashlib.pbkdf2_hmac("sha256", b"", b"", 400_000)


@pytest.mark.parametrize("busy", [False, True])
def test_a_thread_that_holds_the_gil_is_seen(busy: bool) -> None:
    with ThreadPoolExecutor(1) as threads, GilWatch() as watch:
        if busy:
            with busy_machine():
                held_s = threads.submit(hold_gil, 0.1).result()
        else:
            held_s = threads.submit(hold_gil, 0.1).result()
    assert held_s > 0.05
    assert watch.longest_s > 0.8 * held_s - 0.01


def test_work_without_the_gil_on_a_busy_machine_is_not_counted() -> None:
    with busy_machine(), ThreadPoolExecutor(2) as threads, GilWatch() as watch:
        for done in [threads.submit(work_without_gil) for _ in range(4)]:
            done.result()
    assert watch.ticks > 20
    assert watch.longest_s < 0.01
