"""The durations of the config's `[segment]` table, converted to samples."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.config.tables import Segment
from voiceloop.types import samples

_REVISION_MS = 640
"""How far back a VAD may revise its verdicts."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The segmenter's durations, in samples."""

    preroll: int
    onset: int
    window: int
    """Within this much audio, `onset` samples of voice begin an utterance."""
    pause: int
    tail: int
    min_speech: int
    longest: int
    look_back: int
    """The last part of an utterance of maximum length, where the quietest moment is searched for the cut."""
    keep: int
    """How much audio an idle segmenter holds: enough for the pre-roll of an onset found in revised verdicts."""

    @classmethod
    def of(cls, segment: Segment) -> Spans:
        """Convert the values of the `[segment]` table."""
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
            look_back=min(samples(segment.cut_search_ms), longest // 2),
            keep=preroll + window + samples(_REVISION_MS),
        )
