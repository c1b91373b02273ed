"""The tally of a reply's echo: how loud it was, how much was removed, and how much was somebody else. Numpy.

Sums over the steps in which the reply sounds. It decides nothing: `voiceloop ctl status` and the trace show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FULL_SCALE = 32_768.0
_QUIETEST_DB = -20 * math.log10(_FULL_SCALE)
"""The level of samples that are all 1 or -1, for what is digital silence behind the canceller."""
_OTHER = 0.2
"""Steps in which more than this share of the energy is somebody else's don't count for the levels."""
_SETTLED_S = 1.5
"""After so long the clocks of both devices only wander, and the pairing doesn't move with them."""
_FEWEST = 30
"""Steps (0.3 s) of a reply from which there are figures."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """How the microphone is paired with what was played, at one moment."""

    aligned_at: float | None
    """Since when it hasn't moved: seconds, by the clock of the microphone's samples. None before a first reply."""
    shifts: int
    """How often it was moved, because the echo's delay had changed or a device had stood still."""
    delay_ms: float | None
    """The echo's delay, from when the loudspeaker's device took a sample to when the microphone captured it; None until
    it has been measured."""


@dataclass(frozen=True, slots=True)
class ReplyEcho:
    """The echo of one reply. Levels in dBFS, as RMS; where nothing but digital silence came they are None."""

    delay_ms: float | None
    """The echo's delay at the end of the reply, as in `Pairing`."""
    shifts: int
    """How often the pairing was moved while it sounded."""
    heard_db: float | None
    """The level of the raw microphone while only the reply sounded: echo and noise."""
    removed_db: float | None
    """How much lower it was behind the canceller (ERLE)."""
    other_share: float
    """The double-talk detector's share, 0 to 1, of somebody else in the raw microphone: its mean over the reply."""


class EchoTally:
    """Feed it each step of a reply; `take` returns the figures and begins the next reply."""

    def __init__(self) -> None:
        self.aligned_at: float | None = None
        self.shifts = 0
        self.behind_s = 0.0
        """How long before a step of the microphone the device took what it is paired with."""
        self._located = False
        self._shifts_before = 0
        self._clear()

    def paired(self, at_s: float, *, moved: bool) -> None:
        """The pairing begins at a time, with a new stream of the loudspeaker or because it was `moved`."""
        self.aligned_at, self._located = at_s, False
        if moved:
            self.shifts += 1

    def measured(self, at_s: float, behind_s: float) -> None:
        """The echo's delay was measured while the microphone was so far behind what it is paired with."""
        settled = self.aligned_at is not None and at_s > self.aligned_at + _SETTLED_S
        if not (settled and self._located):
            self.behind_s, self._located = behind_s, True

    def feed(self, near: NDArray[np.float32], clean: bytes, other_share: float) -> None:
        """Take a step in which the reply may be heard: the raw microphone, the same behind the canceller (int16; at a
        constant delay, which plays no part in a sum), and the share of somebody else."""
        self._steps += 1
        self._shares += other_share
        if other_share > _OTHER:
            return
        after = np.frombuffer(clean, "<i2").astype(np.float32)
        self._samples += len(near)
        self._near += float(near @ near)
        self._clean += float(after @ after)

    def take(self, delay_ms: float | None) -> ReplyEcho | None:
        """The figures of the reply so far, or None if hardly anything sounded. What follows is the next reply."""
        steps, shares, shifts = self._steps, self._shares, self.shifts - self._shifts_before
        heard_db, clean_db = _dbfs(self._near, self._samples), _dbfs(self._clean, self._samples)
        removed_db = None if heard_db is None else heard_db - (clean_db if clean_db is not None else _QUIETEST_DB)
        self._clear()
        if steps < _FEWEST:
            return None
        return ReplyEcho(delay_ms, shifts, _rounded(heard_db), _rounded(removed_db), round(shares / steps, 3))

    def _clear(self) -> None:
        self._shifts_before = self.shifts
        self._steps = self._samples = 0
        self._near = self._clean = self._shares = 0.0


def _dbfs(energy: float, samples: int) -> float | None:
    return 10 * math.log10(energy / samples) - 20 * math.log10(_FULL_SCALE) if energy and samples else None


def _rounded(level_db: float | None) -> float | None:
    return None if level_db is None else round(level_db, 1)
