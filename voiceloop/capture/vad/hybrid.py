"""A VAD with webrtcvad's idle cost and Silero's verdicts: webrtcvad opens a gate, and Silero runs while it is open.

gate (webrtcvad)   closed      |open ......................|closed
Silero             off   |<- warm_hops |runs ..............|off
verdicts           unvoiced    |Silero's, some back-dated  |unvoiced
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field

from voiceloop.capture.vad.silero import SileroOptions
from voiceloop.capture.vad.silero_model import HOP, HOP_BYTES, MODEL, SileroModel
from voiceloop.capture.vad.webrtc import open_detector
from voiceloop.plugins import Services, Verdict
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_PIECE = 160
"""10 ms: the gate's step."""
_PIECE_BYTES = _PIECE * SAMPLE_BYTES
_TRIGGER_BITS = 0xFF
"""The triggers of the last 8 pieces are remembered, one bit each."""
_HINT_BITS, _HINT_COUNT = 0b1111, 3
"""A hint: 3 of the last 4 pieces sounded like voice."""
_FIRST_OPEN = 2 * CAPTURE_RATE_HZ
"""How long the gate is open after a reset. With less, Silero misses more of the first words than if it always ran."""


class HybridOptions(SileroOptions):
    gate_mode: Annotated[int, Field(ge=0, le=3)] = 2
    """The gate's strictness, as `mode` of `webrtc`. Lower modes open the gate more often; 3 opens it late for a quiet
    microphone."""
    gate_hold_ms: Annotated[int, Field(ge=100, le=5_000)] = 320
    """How long the gate stays open, and Silero runs, after the last sound like voice."""
    gate_triggers: Annotated[int, Field(ge=1, le=8)] = 1
    """How many of the last 8 pieces of 10 ms must sound like voice to open the gate."""
    warm_hops: Annotated[int, Field(ge=1, le=20)] = 6
    """When the gate opens, Silero also judges this many hops of 32 ms from before the opening."""


class HybridVad:
    """Judges everything unvoiced at once while the gate is closed. When the gate opens, Silero judges the last
    `warm_hops` again, and those verdicts are back-dated.

    Silero keeps its state while the gate is closed. When it was reset at each opening (with 6 to 20 hops to warm up),
    it missed 1 to 8 % of single words and noticed the others 15 ms later. With the state that the last speech left, it
    misses none and notices voice sooner than a Silero that always runs, above all with quiet microphones
    (`scripts/bench vad`).
    """

    Options: ClassVar[type[BaseModel]] = HybridOptions

    def __init__(
        self, options: HybridOptions, *, model: SileroModel | None = None, gate: Callable[[bytes], bool] | None = None
    ) -> None:
        self._options = options
        self._silero = model or SileroModel(threshold=options.threshold, exit_threshold=options.exit_threshold)
        self._gate = gate or open_detector(options.gate_mode)
        self._warm_bytes = options.warm_hops * HOP_BYTES
        self._hold = options.gate_hold_ms * CAPTURE_RATE_HZ // 1000
        self._index = 0
        self.reset()

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        assert isinstance(options, HybridOptions)
        yield cls(options)

    @property
    def description(self) -> str:
        return f"hybrid (webrtc gate, silero {MODEL} decides, threshold {self._options.threshold:g})"

    @property
    def judged_hops(self) -> int:
        """How many hops of 32 ms Silero has judged."""
        return self._silero.hops

    def reset(self) -> None:
        """Discard samples not judged yet. Gate and Silero keep what they learned of the room and the speaker."""
        self._silero.break_off()
        self._triggers = 0
        self.hint = False
        """Within the samples fed last, 30 of 40 ms sounded like voice to the gate."""
        self._open_until: int | None = self._index + max(self._hold, _FIRST_OPEN)
        """None while the gate is closed. The gate begins open, so that Silero hears the room before it must judge."""
        self._pending = b""
        """Samples that the gate has not judged: less than a piece."""
        self._recent = b""
        """Samples that Silero has not judged; while the gate is closed, at most `warm_hops`."""

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """See `plugins.Vad`. Samples that are not contiguous with the last ones cause a `reset`."""
        if index != self._index:
            self._index = index
            self.reset()
        at = index - len(self._pending) // SAMPLE_BYTES
        self._index = index + len(pcm) // SAMPLE_BYTES
        pending = self._pending + pcm if self._pending else pcm
        complete = len(pending) - len(pending) % _PIECE_BYTES
        self._pending = pending[complete:]
        verdicts: list[Verdict] = []
        self.hint = False
        for offset in range(0, complete, _PIECE_BYTES):
            at += _PIECE
            self._step(pending[offset : offset + _PIECE_BYTES], at, verdicts)
        return verdicts

    def _step(self, piece: bytes, now: int, verdicts: list[Verdict]) -> None:
        """Process the piece of 10 ms that ends at the index `now`."""
        voiced = self._gate(piece)
        self._triggers = (self._triggers << 1 | int(voiced)) & _TRIGGER_BITS
        if (self._triggers & _HINT_BITS).bit_count() >= _HINT_COUNT:
            self.hint = True
        triggered = voiced and self._triggers.bit_count() >= self._options.gate_triggers
        self._recent += piece
        if self._open_until is not None:
            self._step_while_open(now, verdicts, triggered=triggered)
        elif triggered:
            self._open_until = now + self._hold
            # Align the hops so that one ends now: the verdict on this moment then needs no further samples.
            self._recent = self._recent[len(self._recent) % HOP_BYTES :]
            self._judge_recent(now, verdicts)
        else:
            self._recent = self._recent[-self._warm_bytes :]
            _add_quiet(verdicts, start=now - _PIECE, end=now)

    def _step_while_open(self, now: int, verdicts: list[Verdict], *, triggered: bool) -> None:
        assert self._open_until is not None
        self._judge_recent(now, verdicts)
        if triggered or self._silero.voiced:
            self._open_until = now + self._hold
        elif now >= self._open_until:
            self._open_until = None
            _add_quiet(verdicts, start=now - len(self._recent) // SAMPLE_BYTES, end=now)

    def _judge_recent(self, now: int, verdicts: list[Verdict]) -> None:
        """Run Silero over the complete hops of `_recent`, which ends at the index `now`."""
        start = now - len(self._recent) // SAMPLE_BYTES
        complete = len(self._recent) // HOP_BYTES * HOP_BYTES
        for offset in range(0, complete, HOP_BYTES):
            voiced = self._silero.hear(self._recent[offset : offset + HOP_BYTES])
            verdicts.append(Verdict(start, start + HOP, voiced))
            start += HOP
        self._recent = self._recent[complete:]


def _add_quiet(verdicts: list[Verdict], *, start: int, end: int) -> None:
    """Add an unvoiced verdict, merged with the last one if that is unvoiced and adjacent."""
    if verdicts and not verdicts[-1].voiced and verdicts[-1].end == start:
        start = verdicts.pop().start
    verdicts.append(Verdict(start, end, voiced=False))
