"""A long recording with the time of every word: gives the exact words of any clip that was cut from it.

Faster than `recordings.py`, which searches by cross-correlation, but only for clips that no device or resampler
changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voiceloop.audio.wav import parse_wav, read_wav

_PROBE = 64
"""Samples that are searched for: enough to be unique in speech with some noise."""


@dataclass(frozen=True, slots=True)
class TrackWord:
    """A word and its bounds, in samples of the track."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Track:
    """A recording (int16, mono) and its words."""

    pcm: bytes
    rate_hz: int
    words: Sequence[TrackWord]

    @classmethod
    def read(cls, path: Path) -> Track:
        """Read JSON: `{"wav": "track.wav", "words": [["hello", 1600, 8000], ...]}`; the WAV is in the same folder."""
        value = json.loads(path.read_text())
        wav = read_wav(path.parent / value["wav"])
        return cls(wav.pcm, wav.rate_hz, [TrackWord(*row) for row in value["words"]])

    def hear(self, wav: bytes) -> str:
        """The words of which more than half is in the clip; empty for a clip that is not from this track."""
        clip = parse_wav(wav)
        at = self.place(clip.pcm)
        if at is None:
            return ""
        end = at + len(clip.pcm) // 2
        return " ".join(
            word.text for word in self.words if 2 * (min(word.end, end) - max(word.start, at)) > word.end - word.start
        )

    def place(self, pcm: bytes) -> int | None:
        """The sample of the track where a clip begins; None if it isn't part of it. Searches for the clip's loudest
        moment, then compares all of it."""
        samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
        if len(samples) < _PROBE:
            return None
        loudest = min(int(np.argmax(samples)), len(samples) - _PROBE)
        probe, found = pcm[2 * loudest : 2 * (loudest + _PROBE)], -1
        while (found := self.pcm.find(probe, found + 1)) >= 0:
            start = found - 2 * loudest
            if found % 2 == 0 and start >= 0 and self.pcm[start : start + len(pcm)] == pcm:
                return start // 2
        return None
