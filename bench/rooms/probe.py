"""What goes into the program's echo canceller and comes out of it, and the processor's time that it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

from voiceloop.echo.canceller import Canceller
from voiceloop.echo.far_end import Block
from voiceloop.echo.webrtc_aec import WebRtc
from voiceloop.types import Frame, Gap

_STEP = 160


@dataclass
class Probe:
    """Counts, in seconds of the processor, only the frames that the canceller processes."""

    near: list[Frame] = field(default_factory=list)
    clean: list[Frame] = field(default_factory=list)
    processing_s: float = 0.0
    """In WebRTC's canceller."""
    besides_s: float = 0.0
    """In the rest of `Canceller.take`."""
    steps: int = 0
    """Of 10 ms; those of a rehearsal do not count."""
    _within_s: float = 0.0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Watch every canceller of this process while the block runs."""
        take, process = Canceller.take, WebRtc.process

        def watched_take(canceller: Canceller, item: Frame | Gap) -> Sequence[Frame | Gap]:
            self._within_s, began = 0.0, time.thread_time()
            items = take(canceller, item)
            whole_s = time.thread_time() - began
            if self._within_s and isinstance(item, Frame):
                self.processing_s += self._within_s
                self.besides_s += whole_s - self._within_s
                self.steps += item.samples // _STEP
            self.near += [item] if isinstance(item, Frame) else []
            self.clean += [one for one in items if isinstance(one, Frame)]
            return items

        def watched_process(processor: WebRtc, near: bytes, far: Block) -> bytes:
            began = time.thread_time()
            try:
                return process(processor, near, far)
            finally:
                self._within_s += time.thread_time() - began

        with patch.object(Canceller, "take", watched_take), patch.object(WebRtc, "process", watched_process):
            yield
