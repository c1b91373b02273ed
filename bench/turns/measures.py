"""What recordings of the microphone and the loudspeaker say about a turn. Knows no device, server or loop.

Sounds are int16 samples as floats, mono; times are `time.monotonic()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]
SILENT = 100
"""A sample of at most this much (of 32768, -50 dBFS) is silent."""
SILENT_FOR_S = 0.1
"""The loudspeaker is silent when it is so for this long."""
DUCKED_DB = -6.0
GONE_DB = -40.0
WINDOW_S = 0.01
_ENVELOPE_S = 1.0
_ALIGN_S = 0.5
_PIECE_S, _REACH_S = 0.05, 0.5
_WHOLE, _FOUND_SHARE = 0.98, 0.8


@dataclass(frozen=True, slots=True)
class Track:
    """A recording; `arrivals` say how many bytes of it had come by when.

    Pieces may be read late, never early: of those within a second the one that came least late dates the samples.
    """

    sound: Sound
    rate_hz: int
    arrivals: Sequence[tuple[int, float]]

    def when(self, sample: int) -> float:
        """When that sample was sounded."""
        reach = 2 * _ENVELOPE_S * self.rate_hz
        near = [(end, at) for end, at in self.arrivals if abs(end - 2 * sample) <= reach]
        near = near or [min(self.arrivals, key=lambda arrival: abs(arrival[0] - 2 * sample))]
        return min(at - end / 2 / self.rate_hz for end, at in near) + sample / self.rate_hz

    def index(self, at: float) -> int:
        """The sample that was sounded then, within the recording."""
        end, _ = min(self.arrivals, key=lambda arrival: abs(arrival[1] - at))
        guess = end // 2
        return min(max(guess + round((at - self.when(guess)) * self.rate_hz), 0), len(self.sound))

    def between(self, begin: float, end: float) -> tuple[int, Sound]:
        """The first sample of a stretch of time, and its sound."""
        first = self.index(begin)
        return first, self.sound[first : self.index(end)]


def locate(wanted: Sound, sound: Sound) -> tuple[int, float]:
    """Where in `sound` all of `wanted` begins, and how alike they are there whatever their levels (1 is exactly)."""
    count = len(sound) - len(wanted) + 1
    if count <= 0 or not wanted.any():
        return 0, 0.0
    size = 1 << len(sound).bit_length()
    scores = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)), size)[:count]
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound))])
    there = energy[len(wanted) :][:count] - energy[:count]
    alike = scores / np.sqrt(np.maximum(there * np.square(wanted).sum(), 1.0))
    best = int(np.argmax(alike))
    return best, float(alike[best])


def silent_from(sound: Sound, rate_hz: int) -> int | None:
    """The first sample from which on it is silent for `SILENT_FOR_S`; None when it never is."""
    loud = np.flatnonzero(np.abs(sound) > SILENT)
    edges = np.concatenate([[-1], loud, [len(sound)]])
    gaps = np.flatnonzero(np.diff(edges) > SILENT_FOR_S * rate_hz)
    return int(edges[gaps[0]]) + 1 if len(gaps) else None


@dataclass(frozen=True, slots=True)
class Fall:
    """How a reply fell: samples after the moment that was asked about, None for what didn't happen."""

    ducked: int | None
    """Where it was lower by `DUCKED_DB` and stayed so."""
    silent: int | None
    between: int
    """For how many samples it was lowered, but still to be heard."""


def fall(reference: Sound, sound: Sound, onset: int, rate_hz: int) -> Fall | None:
    """How the reply `reference` fell in `sound` after sample `onset`; None when it isn't playing there.

    The half second before the onset says which sample of the reply plays; from there on their levels are compared,
    10 ms by 10 ms.
    """
    before = sound[onset - round(_ALIGN_S * rate_hz) : onset]
    at, alike = locate(before, reference)
    if alike < 0.9:
        return None
    wanted, heard = reference[at + len(before) :], sound[onset:]
    silent = silent_from(heard, rate_hz)
    gains = _gains_db(wanted, heard, round(WINDOW_S * rate_hz))
    step = round(WINDOW_S * rate_hz)
    ducked = next((n for n in range(len(gains) - 2) if (gains[n : n + 3] <= DUCKED_DB).all()), None)
    if ducked is None:
        return Fall(None, silent, 0)
    low = gains[ducked : len(gains) if silent is None else silent // step]
    return Fall((ducked + 1) * step, silent, int((low > GONE_DB).sum()) * step)


def _gains_db(wanted: Sound, heard: Sound, step: int) -> Sound:
    """The level of each window over the reference's; where that one is quiet, as in the window before."""
    count = min(len(wanted), len(heard)) // step
    levels = [np.square(sound[: count * step].reshape(-1, step)).mean(axis=1) for sound in (wanted, heard)]
    gains: Sound = 10 * np.log10(np.maximum(levels[1], 1e-3) / np.maximum(levels[0], 1e-3))
    for n in range(count):
        if levels[0][n] < (3 * SILENT) ** 2:
            gains[n] = gains[n - 1] if n else 0.0
    return gains


def gaps(reference: Sound, sound: Sound, rate_hz: int) -> list[float] | None:
    """How much later, in seconds, each 50 ms of `reference` lie in `sound` than those before them say.

    None when some of it is missing. Where the reference is quiet, or a piece is torn, the next tells the gap's length.
    """
    piece, reach = round(_PIECE_S * rate_hz), round(_REACH_S * rate_hz)
    starts = range(0, len(reference) - piece + 1, piece)
    loud = [at for at in starts if np.abs(reference[at : at + piece]).max() > np.abs(reference).max() / 20]
    late = locate(reference[:piece], sound)[0]
    found = []
    for at in loud:
        low = max(0, at + late - piece // 2)
        place, alike = locate(reference[at : at + piece], sound[low : at + late + piece + reach])
        if alike >= _WHOLE:
            found.append((low + place - at - late) / rate_hz)
            late = low + place - at
    return found if len(found) >= _FOUND_SHARE * len(loud) else None
