"""How many of the processor's cores a large model may use."""

from __future__ import annotations

import os

MOST = 4


def threads() -> int:
    """Half of the cores that this process may use, so that the rest keeps up with the sound; 1 to `MOST`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, usable // 2))
