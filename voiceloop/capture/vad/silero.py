"""A VAD that runs Silero's neural model all the time: the best verdicts, for a few per cent of a CPU core."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field

from voiceloop.capture.vad.silero_model import HOP, HOP_BYTES, MODEL, SileroModel
from voiceloop.config.tables import Table
from voiceloop.plugins import Services, Verdict
from voiceloop.types import SAMPLE_BYTES

Probability = Annotated[float, Field(gt=0, lt=1)]


class SileroOptions(Table):
    threshold: Probability = 0.5
    """Voice begins when Silero's probability of voice reaches this value."""
    exit_threshold: Probability = 0.35
    """Voice ends when the probability falls below this value."""


class SileroVad:
    """Gives one verdict for each 32 ms."""

    Options: ClassVar[type[BaseModel]] = SileroOptions

    def __init__(self, options: SileroOptions) -> None:
        self._options = options
        self._silero = SileroModel(threshold=options.threshold, exit_threshold=options.exit_threshold)
        self._pending = b""
        self._index = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        assert isinstance(options, SileroOptions)
        yield cls(options)

    @property
    def description(self) -> str:
        return f"silero {MODEL} (threshold {self._options.threshold:g})"

    @property
    def judged_hops(self) -> int:
        """How many hops of 32 ms the model has judged."""
        return self._silero.hops

    def reset(self) -> None:
        """Discard samples not judged yet. The model keeps its state: what it learned of the room and the speaker."""
        self._pending = b""
        self._silero.break_off()

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """See `plugins.Vad`. Samples that are not contiguous with the last ones cause a `reset`."""
        if index != self._index:
            self.reset()
        start = index - len(self._pending) // SAMPLE_BYTES
        self._index = index + len(pcm) // SAMPLE_BYTES
        pending = self._pending + pcm
        verdicts = []
        complete = len(pending) - len(pending) % HOP_BYTES
        for offset in range(0, complete, HOP_BYTES):
            verdicts.append(Verdict(start, start + HOP, self._silero.hear(pending[offset : offset + HOP_BYTES])))
            start += HOP
        self._pending = pending[complete:]
        return verdicts
