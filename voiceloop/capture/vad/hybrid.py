"""Voice activity at webrtcvad's idle cost with Silero's judgement: the first opens a gate, the second decides."""

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
_BITS = 0xFF
_LATEST, _HINT = 0b1111, 3
_FIRST = 2 * CAPTURE_RATE_HZ
"""How long the gate is open at first: with less, Silero misses more of the first words than when it always runs."""


class HybridOptions(SileroOptions):
    gate_mode: Annotated[int, Field(ge=0, le=3)] = 2
    """The gate's strictness, as `mode` of `webrtc`. Lower modes open it more often; 3 opens
    late for a quiet microphone."""
    gate_hold_ms: Annotated[int, Field(ge=100, le=5_000)] = 320
    """How long after its last trigger the gate stays open, and Silero runs."""
    gate_triggers: Annotated[int, Field(ge=1, le=8)] = 1
    """How many of the last 8 pieces of 10 ms must sound like voice to open the gate."""
    warm_hops: Annotated[int, Field(ge=1, le=20)] = 6
    """How many hops of 32 ms from before the opening Silero is fed, and judges, when the gate opens."""


class HybridVad:
    """While the gate is closed everything is unvoiced at once; when it opens, Silero thinks again about what came
    before, and those verdicts are back-dated.

    Silero keeps its state over the time that it slept. Reset at each opening (with 6 to 20 hops to warm up) it missed
    1 to 8 % of single words and noticed the others 15 ms later; with the state in which the last speech left it, it
    misses none and notices sooner than when it always runs (`scripts/bench vad`; quiet microphones above all).
    """

    Options: ClassVar[type[BaseModel]] = HybridOptions

    def __init__(
        self, options: HybridOptions, *, model: SileroModel | None = None, gate: Callable[[bytes], bool] | None = None
    ) -> None:
        self._options = options
        self._silero = model or SileroModel(options.threshold, options.exit_threshold)
        self._gate = gate or open_detector(options.gate_mode)
        self._warm = options.warm_hops * HOP_BYTES
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
        return f"hybrid (webrtc gate, silero {MODEL} judge, threshold {self._options.threshold:g})"

    @property
    def judged_hops(self) -> int:
        """How many hops Silero has run for."""
        return self._silero.hops

    def reset(self) -> None:
        """Forget what is not judged yet. Gate and judge go on with what they learned of the room and the speaker."""
        self._silero.break_off()
        self._triggers = 0
        self.hint = False
        """30 of 40 ms in what was fed last sounded like voice to the gate."""
        self._open_until: int | None = self._index + max(self._hold, _FIRST)
        """None while the gate is closed. It begins open, so that Silero has heard the room before it must judge."""
        self._pending = b""
        """What the gate has not seen: less than a piece."""
        self._recent = b""
        """What Silero has not judged yet; while the gate is closed no more than it is warmed with."""

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        """See `plugins.Vad`. Samples that don't follow on the last reset everything."""
        if index != self._index:
            self._index = index
            self.reset()
        at = index - len(self._pending) // SAMPLE_BYTES
        self._index = index + len(pcm) // SAMPLE_BYTES
        pending = self._pending + pcm if self._pending else pcm
        whole = len(pending) - len(pending) % _PIECE_BYTES
        self._pending = pending[whole:]
        verdicts: list[Verdict] = []
        self.hint = False
        for offset in range(0, whole, _PIECE_BYTES):
            at += _PIECE
            self._step(pending[offset : offset + _PIECE_BYTES], at, verdicts)
        return verdicts

    def _step(self, piece: bytes, now: int, verdicts: list[Verdict]) -> None:
        """Take the piece that ends at `now`."""
        voiced = self._gate(piece)
        self._triggers = (self._triggers << 1 | voiced) & _BITS
        self.hint |= (self._triggers & _LATEST).bit_count() >= _HINT
        triggered = voiced and self._triggers.bit_count() >= self._options.gate_triggers
        self._recent += piece
        if self._open_until is not None:
            self._listen(now, verdicts, triggered=triggered)
        elif triggered:
            self._open_until = now + self._hold
            # Whole hops that end now, so that the verdict on this very moment doesn't wait for more.
            self._recent = self._recent[len(self._recent) % HOP_BYTES :]
            self._judge_recent(now, verdicts)
        else:
            self._recent = self._recent[-self._warm :]
            _add_quiet(verdicts, now - _PIECE, now)

    def _listen(self, now: int, verdicts: list[Verdict], *, triggered: bool) -> None:
        assert self._open_until is not None
        self._judge_recent(now, verdicts)
        if triggered or self._silero.voiced:
            self._open_until = now + self._hold
        elif now >= self._open_until:
            self._open_until = None
            _add_quiet(verdicts, now - len(self._recent) // SAMPLE_BYTES, now)

    def _judge_recent(self, now: int, verdicts: list[Verdict]) -> None:
        """Run Silero over the whole hops of `_recent`, which ends at `now`."""
        start = now - len(self._recent) // SAMPLE_BYTES
        whole = len(self._recent) // HOP_BYTES * HOP_BYTES
        for offset in range(0, whole, HOP_BYTES):
            voiced = self._silero.hear(self._recent[offset : offset + HOP_BYTES])
            verdicts.append(Verdict(start, start + HOP, voiced))
            start += HOP
        self._recent = self._recent[whole:]


def _add_quiet(verdicts: list[Verdict], start: int, end: int) -> None:
    """Add an unvoiced stretch, joined to the one before where that is quiet too."""
    if verdicts and not verdicts[-1].voiced and verdicts[-1].end == start:
        start = verdicts.pop().start
    verdicts.append(Verdict(start, end, voiced=False))
