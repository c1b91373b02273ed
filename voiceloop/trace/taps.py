"""The taps: make trace records of microphone frames with their verdicts, of HTTP requests, and of what is played.

A tap copies a few values and returns; levels are computed later by the thread that writes the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from voiceloop.events import TURN
from voiceloop.net.watch import Exchange, ExchangeObserver
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Verdict
from voiceloop.trace.levels import packed
from voiceloop.trace.writing import Recorder
from voiceloop.types import FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap

PACK_FRAMES = 25
"""Microphone frames in one record: half a second."""
PACK_STEPS = 25
"""Playback steps in one record: about half a second."""
STEP_S = 0.02


@dataclass(frozen=True, slots=True)
class Levels:
    """Sound (int16, mono) whose levels are computed when the record is written; `counts` as in `levels.packed`."""

    pcm: bytes
    counts: Sequence[int]

    def recorded(self) -> dict[str, object]:
        peak, rms = packed(self.pcm, self.counts)
        return {"peak": peak, "rms": rms}


@dataclass(slots=True)
class ListenerTap:
    """Records microphone levels, VAD verdicts and mutes. `captured` gives the time of a sample index (seconds)."""

    recorder: Recorder
    captured: Callable[[int], float]
    _frames: list[bytes] = field(default_factory=list)
    _index: int = 0
    _runs: list[tuple[int, int, bool]] = field(default_factory=list)
    _muted_from: int | None = None

    def __call__(self, item: Frame | Gap, verdicts: Sequence[Verdict], *, muted: bool) -> None:
        """Record what the listener took: a frame or a gap, and the verdicts that came with it."""
        for verdict in verdicts:
            self._add_verdict(verdict)
        if isinstance(item, Gap):
            self.flush()
            self.recorder.put("gap", at=time.monotonic(), index=item.index, reason=item.reason)
            return
        if self._frames and item.index != self._index + len(self._frames) * FRAME_SAMPLES:
            self.flush()
        if not self._frames:
            self._index = item.index
        self._frames.append(item.pcm)
        if muted and self._muted_from is None:
            self._muted_from = item.index
        elif not muted and self._muted_from is not None:
            self._record_mute(until=item.index)
        if len(self._frames) >= PACK_FRAMES or item.samples < FRAME_SAMPLES:
            self.flush()

    def _add_verdict(self, verdict: Verdict) -> None:
        if self._runs and self._runs[-1][1:] == (verdict.start, verdict.voiced):
            self._runs[-1] = (self._runs[-1][0], verdict.end, verdict.voiced)
        else:
            self._runs.append((verdict.start, verdict.end, verdict.voiced))

    def _record_mute(self, *, until: int) -> None:
        self.recorder.put("muted", start=self._muted_from, end=until)
        self._muted_from = None

    def flush(self) -> None:
        """Record what has been gathered, though a record is not full."""
        if self._muted_from is not None and self._frames:  # so that a long mute is in the file while it lasts
            end = self._index + len(self._frames) * FRAME_SAMPLES
            self._record_mute(until=end)
            self._muted_from = end
        if self._frames:
            pcm = b"".join(self._frames)
            counts = [len(frame) // SAMPLE_BYTES for frame in self._frames]
            at = self.captured(self._index)
            self.recorder.put("mic", at=round(at, 5), index=self._index, levels=Levels(pcm, counts))
            self._frames = []
        if self._runs:
            runs = [(start, end, int(voiced)) for start, end, voiced in self._runs]
            self.recorder.put("vad", runs=runs)
            self._runs = []


class RequestTap:
    """Records HTTP requests: `net.watch.Observe`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._number = 0

    def __call__(self, exchange: Exchange) -> ExchangeObserver:
        self._number += 1
        self._recorder.put(
            "request",
            at=time.monotonic(),
            id=self._number,
            method=exchange.method,
            url=exchange.url,
            model=exchange.model,
            attempt=exchange.attempt,
            sent_bytes=exchange.sent_bytes,
            turn=TURN.get(),
        )
        return _RecordedExchange(self._recorder, self._number)


@dataclass(slots=True)
class _RecordedExchange(ExchangeObserver):
    recorder: Recorder
    number: int
    first_byte: float | None = None
    count: int = 0

    def answered(self, status: int, *, connected: bool) -> None:
        self.recorder.put("answer", at=time.monotonic(), id=self.number, status=status, connected=connected)

    def took(self, count: int) -> None:
        if self.first_byte is None:
            self.first_byte = time.monotonic()
        self.count += count

    def ended(self, error: BaseException | None) -> None:
        if error is None:
            outcome = "done"
        elif isinstance(error, trio.Cancelled):
            outcome = "cancelled"
        else:
            outcome = "failed"
        self.recorder.put(
            "response",
            at=time.monotonic(),
            id=self.number,
            first_byte=self.first_byte,
            bytes=self.count,
            outcome=outcome,
            # The class alone: a server's message may repeat the text that was sent to it.
            error=type(error).__name__ if outcome == "failed" else None,
        )


@dataclass(slots=True)
class SpeakerTap:
    """Records what the loudspeaker's device takes, and the loudspeaker's state: `Speaker.watch`."""

    recorder: Recorder
    _played: int = 0
    _began: float = 0.0
    _last: float = 0.0
    _steps: list[tuple[int, int]] = field(default_factory=list)
    _pcm: list[bytes] = field(default_factory=list)
    _state: dict[str, Any] = field(default_factory=dict)

    def __call__(self, speaker: Speaker) -> None:
        """Called each time the device has taken samples."""
        now = time.monotonic()
        ring = speaker.ring
        count = ring.played - self._played
        if count:
            self._played = ring.played
            self._step(now, ring.recent(count), count)
        elif self._steps and now - self._last > STEP_S:
            self.flush()
        state = {
            "sounding": ring.sounding,
            "held": ring.hold,
            "gain": round(ring.gain, 3),
            "underruns": ring.underruns,
            "latency_s": round(speaker.latency_s, 4),
            "rate_hz": ring.rate_hz,
        }
        if state != self._state:
            self._state = state
            self.recorder.put("speaker", at=now, **state)

    def _step(self, now: float, pcm: bytes, count: int) -> None:
        if not self._steps:
            self._began = now
        if self._steps and now - self._last < STEP_S:
            at, before = self._steps[-1]
            self._steps[-1] = (at, before + count)
        else:
            if len(self._steps) >= PACK_STEPS:
                self.flush()
                self._began = now
            self._steps.append((round((now - self._began) * 10_000), count))
            self._last = now
        self._pcm.append(pcm.rjust(count * SAMPLE_BYTES, b"\0"))

    def flush(self) -> None:
        """Record what has been gathered, though a record is not full."""
        if self._steps:
            counts = [count for _, count in self._steps]
            tenths = [at for at, _ in self._steps]
            levels = Levels(b"".join(self._pcm), counts)
            self.recorder.put("play", at=self._began, at_tenths_ms=tenths, samples=counts, levels=levels)
            self._steps, self._pcm = [], []
