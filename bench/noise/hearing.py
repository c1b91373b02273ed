"""Runs sound through a VAD, the segmenter, the endpointer, the recogniser and the filter of hallucinations."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voiceloop.capture.endpointing.endpointer import Endpointer
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded
from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.capture.vad.webrtc import WebRtcOptions, WebRtcVad
from voiceloop.config.tables import Hallucinations, Segment
from voiceloop.plugins import Transcriber, Vad
from voiceloop.transcribe.screening import Screened
from voiceloop.types import FRAME_SAMPLES, SAMPLE_BYTES, Frame, Utterance

VADS: dict[str, Callable[[], Vad]] = {
    "hybrid": lambda: HybridVad(HybridOptions()),
    "webrtc": lambda: WebRtcVad(WebRtcOptions()),
}


@dataclass(frozen=True)
class Heard:
    """What became of one clip. `raw` is the recogniser's text without the filter, `text` the text that is left."""

    clip: Utterance
    raw: str
    text: str
    reason: str
    """Why the filter dropped it; empty if it didn't."""
    asked: bool
    """Whether the recogniser was asked at all, with the filter on."""
    engine_s: float
    """How long the recogniser took for it without the filter."""
    confidence: float


def clips(pcm: bytes, vad: Vad) -> list[Utterance]:
    """The utterances in `pcm` (int16, mono, 16 kHz), with the settings of the default config."""
    segment = Segment()
    segmenter = Segmenter(
        segment, hangover_ms=segment.hangover_ms, endpointer=Endpointer.of(segment, half_duplex=False)
    )
    found = []
    step = FRAME_SAMPLES * SAMPLE_BYTES
    for at in range(0, len(pcm), step):
        frame = Frame(pcm[at : at + step], at // SAMPLE_BYTES)
        found += segmenter.feed(frame, vad.feed(frame.pcm, frame.index))
    found += segmenter.flush()
    return [event.utterance for event in found if isinstance(event, SpeechEnded)]


class Listener:
    """A recogniser, once as it is and once behind the filter."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._plain = transcriber
        self._reasons: list[str] = []
        self._filtered = Screened(transcriber, Hallucinations(), (), self._publish)

    def _publish(self, name: str, /, **fields: Any) -> None:
        self._reasons.append(str(fields["reason"]))

    async def hear(self, clip: Utterance) -> Heard:
        """The texts of one clip."""
        async with self._plain.transcription() as transcription:
            begun = time.perf_counter()
            raw = await transcription.finish(clip)
            engine_s = time.perf_counter() - begun
        self._reasons.clear()
        asked = _Asked(raw_text=raw)
        left = await self._filtered.finish(asked, clip)
        reason = self._reasons[0] if self._reasons else ""
        return Heard(clip, raw.text, left.text, reason, asked.asked, engine_s, raw.confidence or 0.0)


class _Asked:
    """A transcription whose result is known; notes whether it is asked for."""

    def __init__(self, *, raw_text: Any) -> None:
        self._transcript, self.asked = raw_text, False

    async def feed(self, pcm: bytes) -> None:
        """Ignored."""

    async def finish(self, utterance: Utterance) -> Any:
        self.asked = True
        return self._transcript
