"""The calls to PortAudio that have not returned. Any of them may take for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Outstanding:
    """Calls that are being made, in any thread, and since when."""

    def __init__(self) -> None:
        self._began: dict[object, float] = {}

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count the block as a call."""
        key = object()
        self._began[key] = time.monotonic()
        try:
            yield
        finally:
            del self._began[key]

    @property
    def ages_s(self) -> list[float]:
        """For how many seconds each of them has been going on."""
        now = time.monotonic()
        return [now - began for began in tuple(self._began.values())]
