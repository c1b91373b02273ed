"""How long a busy machine kept a thread waiting for a processor, as the kernel counts it.

For tests of how long something takes: that time says nothing of the program.
"""

from __future__ import annotations

from pathlib import Path


def queued_s(process: int | None = None) -> float:
    """The seconds that the main thread of a process, or this thread, has waited for a processor so far; 0 where nobody
    counts them. A process that has ended is counted until somebody waits for it."""
    try:
        counted = Path(f"/proc/{process or 'thread-self'}/schedstat").read_text()
    except OSError:
        return 0.0
    return int(counted.split()[1]) / 1e9
