"""Puts a session's trace together: the file, its header and the taps. The composition root asks for it, or doesn't."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceloop import __version__
from voiceloop.config.show import effective
from voiceloop.config.tables import Config
from voiceloop.events import Publish
from voiceloop.net.watch import Observe
from voiceloop.playback.speaker import Speaker
from voiceloop.trace.records import VERSION
from voiceloop.trace.taps import EarTap, RequestTap, SpeakerTap
from voiceloop.trace.writing import Recorder, open_trace
from voiceloop.types import CAPTURE_RATE_HZ

_TABLES = ("audio", "segment", "conversation", "preemptive")
"""Those that decide when something happens, whole; the file's reader needs no more to judge a delay."""
_OF_PARTS = ("use", "model", "voice", "language", "base_url", "stream", "format", "response_format")


@dataclass(slots=True)
class Tracing:
    """What the loop is tapped with. `publish` records every event on its way."""

    recorder: Recorder
    publish: Publish
    observe: Observe
    _ears: EarTap | None = None
    _speaker: SpeakerTap | None = None

    def tap(self, captured: Callable[[int], float], speaker: Speaker) -> EarTap:
        """Watch `speaker`, and give what is to watch the ears. `captured` is the microphone's clock."""
        self._ears, self._speaker = EarTap(self.recorder, captured), SpeakerTap(self.recorder)
        speaker.watch = self._speaker
        return self._ears

    def flush(self) -> None:
        """Record what the taps still hold."""
        if self._ears is not None and self._speaker is not None:
            self._ears.flush()
            self._speaker.flush()


@asynccontextmanager
async def open_tracing(path: Path, config: Config, publish: Publish) -> AsyncIterator[Tracing]:
    """Trace into `path` while the body runs. Raises OutputError when it can't be made."""
    async with open_trace(path, header(config), publish) as recorder:
        tracing = Tracing(recorder, recorder.publishing(publish), RequestTap(recorder))
        try:
            yield tracing
        finally:
            tracing.flush()


def header(config: Config) -> dict[str, object]:
    """The first line: versions, both clocks at this moment, and of the config what decides about times. No secrets,
    no prompts."""
    return {
        "version": VERSION,
        "voiceloop": __version__,
        "at": time.monotonic(),
        "time": time.time(),
        "rate_hz": CAPTURE_RATE_HZ,
        "config": _essentials(effective(config)),
    }


def _essentials(values: dict[str, Any]) -> dict[str, Any]:
    parts = {
        name: {key: values[name][key] for key in _OF_PARTS if values[name].get(key)}
        for name in ("vad", "transcribe", "handler", "speak")
    }
    return parts | {name: values[name] for name in _TABLES if name in values}
