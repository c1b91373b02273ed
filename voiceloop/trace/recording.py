"""Tracing of a session: opens the trace file, writes its header and connects the taps. For the composition root."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceloop import __version__
from voiceloop.config.address import shown_server
from voiceloop.config.show import effective
from voiceloop.config.tables import Config
from voiceloop.events import Publish
from voiceloop.net.watch import Observe
from voiceloop.playback.speaker import Speaker
from voiceloop.trace.records import VERSION
from voiceloop.trace.taps import ListenerTap, RequestTap, SpeakerTap
from voiceloop.trace.writing import Recorder, open_trace
from voiceloop.types import CAPTURE_RATE_HZ

_TABLES = ("audio", "segment", "conversation", "preemptive")
"""Tables that affect timing, recorded with all their keys: enough to understand a delay."""
_PART_KEYS = ("use", "model", "voice", "language", "base_url", "stream", "format", "response_format")
"""The keys that are recorded of a part's table."""


@dataclass(slots=True)
class Tracing:
    """The taps of one session. `publish` records every event and passes it on; `observe` records HTTP requests."""

    recorder: Recorder
    publish: Publish
    observe: Observe
    _listener: ListenerTap | None = None
    _speaker: SpeakerTap | None = None

    def tap(self, captured: Callable[[int], float], speaker: Speaker) -> ListenerTap:
        """Tap `speaker`, and return the tap for the listener. `captured` is the microphone's clock."""
        self._listener, self._speaker = ListenerTap(self.recorder, captured), SpeakerTap(self.recorder)
        speaker.watch = self._speaker
        return self._listener

    def flush(self) -> None:
        """Write out what the taps have gathered."""
        if self._listener is not None and self._speaker is not None:
            self._listener.flush()
            self._speaker.flush()


@asynccontextmanager
async def open_tracing(path: Path, config: Config, publish: Publish) -> AsyncIterator[Tracing]:
    """Write a trace to `path` while the body runs. Raises OutputError if the file can't be created."""
    async with open_trace(path, header(config), publish) as recorder:
        tracing = Tracing(recorder, recorder.publishing(publish), RequestTap(recorder))
        try:
            yield tracing
        finally:
            tracing.flush()


def header(config: Config) -> dict[str, object]:
    """The first line: versions, both clocks at this moment, and the settings that affect timing. No secrets and no
    prompts."""
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
        name: {key: _shown(key, values[name][key]) for key in _PART_KEYS if values[name].get(key)}
        for name in ("vad", "transcribe", "handler", "speak")
    }
    return parts | {name: values[name] for name in _TABLES if name in values}


def _shown(key: str, value: Any) -> Any:
    """A setting as it is recorded: an address without what may be a token in its path."""
    return shown_server(value) if key == "base_url" and isinstance(value, str) else value
