"""The lengths of the `[segment]` table in samples. Knows no audio."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.capture.endpointing.endpointer import samples
from voiceloop.config.tables import Segment

_REVISION_MS = 640
"""How far back a VAD may think again about audio that it passed over."""
_LOOK_BACK_MS = 5_000
"""How far before the maximum length the cut is looked for (at most half of that length)."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The segment's lengths in samples."""

    preroll: int
    onset: int
    window: int
    pause: int
    tail: int
    min_speech: int
    longest: int
    look_back: int
    keep: int
    """How much an idle segmenter holds: enough for the pre-roll of an onset found in revised verdicts."""

    @classmethod
    def of(cls, segment: Segment) -> Spans:
        longest = samples(segment.max_utterance_s * 1000)
        window = max(samples(segment.onset_window_ms), samples(segment.onset_ms), 1)
        preroll = min(samples(segment.preroll_ms), longest // 2)
        return cls(
            preroll=preroll,
            onset=max(samples(segment.onset_ms), 1),
            window=window,
            pause=samples(segment.pause_ms),
            tail=samples(segment.tail_ms),
            min_speech=samples(segment.min_speech_ms),
            longest=longest,
            look_back=min(samples(_LOOK_BACK_MS), longest // 2),
            keep=preroll + window + samples(_REVISION_MS),
        )
