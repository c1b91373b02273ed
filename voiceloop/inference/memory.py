"""Freed memory, given back to the system: glibc's allocator keeps it after each run of a network.

Without it a process is 30 MB larger after 24 clips of many lengths than when Moonshine was loaded
(`tests/inference/test_memory.py`), and Piper's process 65 MB or more after some texts.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give the memory that is free back to the system; nothing where the C library can't. Blocks for 1 to 20 ms,
    without the GIL."""
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """`malloc_trim`, which only glibc has."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # no such function; Windows has no library without a name
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return trim
