"""Measures turns in recordings of the microphone and the loudspeaker. Knows no device, server or running program.

Sounds are int16 samples as floats, mono. Times are `time.monotonic()`.
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
"""The loudspeaker counts as silent after this time without a louder sample."""
DUCKED_DB = -6.0
"""A reply is ducked when it is at least this much quieter than its recording."""
GONE_DB = -40.0
"""A reply this much quieter is not audible any more."""
WINDOW_S = 0.01
_ENVELOPE_S = 1.0
_ALIGN_S = 0.5
_PIECE_S, _REACH_S = 0.05, 0.5
_WHOLE, _FOUND_SHARE = 0.98, 0.8


@dataclass(frozen=True, slots=True)
class Track:
    """A recording. `arrivals`: how many bytes had arrived at which time, one entry for each chunk.

    A chunk may be read late but never early. So of the chunks within a second of a sample, the one with the least delay
    gives the sample's time.
    """

    sound: Sound
    rate_hz: int
    arrivals: Sequence[tuple[int, float]]

    def when(self, sample: int) -> float:
        """The time at which a sample was played."""
        reach = 2 * _ENVELOPE_S * self.rate_hz
        near = [(end, at) for end, at in self.arrivals if abs(end - 2 * sample) <= reach]
        near = near or [min(self.arrivals, key=lambda arrival: abs(arrival[0] - 2 * sample))]
        return min(at - end / 2 / self.rate_hz for end, at in near) + sample / self.rate_hz

    def index(self, at: float) -> int:
        """The sample that was played at a time, limited to the recording."""
        end, _ = min(self.arrivals, key=lambda arrival: abs(arrival[1] - at))
        guess = end // 2
        return min(max(guess + round((at - self.when(guess)) * self.rate_hz), 0), len(self.sound))

    def between(self, begin: float, end: float) -> tuple[int, Sound]:
        """The sound between two times, and the index of its first sample."""
        first = self.index(begin)
        return first, self.sound[first : self.index(end)]


def locate(wanted: Sound, sound: Sound) -> tuple[int, float]:
    """Where in `sound` the whole of `wanted` begins, and their normalised cross-correlation there.

    A correlation of 1 means that they are equal except for their level.
    """
    count = len(sound) - len(wanted) + 1
    if count <= 0 or not wanted.any():
        return 0, 0.0
    size = 1 << len(sound).bit_length()
    scores = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)), size)[:count]
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound))])
    there = energy[len(wanted) :][:count] - energy[:count]
    correlation = scores / np.sqrt(np.maximum(there * np.square(wanted).sum(), 1.0))
    best = int(np.argmax(correlation))
    return best, float(correlation[best])


def silent_from(sound: Sound, rate_hz: int) -> int | None:
    """The first sample of a silence of at least `SILENT_FOR_S`; None when there is none."""
    loud = np.flatnonzero(np.abs(sound) > SILENT)
    edges = np.concatenate([[-1], loud, [len(sound)]])
    gaps = np.flatnonzero(np.diff(edges) > SILENT_FOR_S * rate_hz)
    return int(edges[gaps[0]]) + 1 if len(gaps) else None


@dataclass(frozen=True, slots=True)
class Fall:
    """How a reply became quieter after a given moment. All values are samples; None for what didn't happen."""

    ducked: int | None
    """From the moment until the reply was ducked (`DUCKED_DB`) and stayed so."""
    silent: int | None
    """From the moment until the loudspeaker was silent."""
    between: int
    """How long the reply was ducked but still audible."""


def fall(reference: Sound, sound: Sound, onset: int, rate_hz: int) -> Fall | None:
    """How the reply `reference` became quieter in `sound` after sample `onset`; None when it wasn't playing.

    The half second before the onset is located in the reply. From there on the levels of both are compared every 10 ms.
    """
    before = sound[onset - round(_ALIGN_S * rate_hz) : onset]
    at, correlation = locate(before, reference)
    if correlation < 0.9:
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
    """For each window of `step` samples, the level of `heard` relative to `wanted`. Where `wanted` is quiet, the value
    of the window before."""
    count = min(len(wanted), len(heard)) // step
    levels = [np.square(sound[: count * step].reshape(-1, step)).mean(axis=1) for sound in (wanted, heard)]
    gains: Sound = 10 * np.log10(np.maximum(levels[1], 1e-3) / np.maximum(levels[0], 1e-3))
    for n in range(count):
        if levels[0][n] < (3 * SILENT) ** 2:
            gains[n] = gains[n - 1] if n else 0.0
    return gains


def gaps(reference: Sound, sound: Sound, rate_hz: int) -> list[float] | None:
    """For each 50 ms of `reference`, the gap before them in `sound`, in seconds; mostly 0.

    None when some of the reference is missing. Where the reference is quiet, or a gap falls inside a piece, the next
    piece gives the gap's length.
    """
    piece, reach = round(_PIECE_S * rate_hz), round(_REACH_S * rate_hz)
    starts = range(0, len(reference) - piece + 1, piece)
    loud = [at for at in starts if np.abs(reference[at : at + piece]).max() > np.abs(reference).max() / 20]
    late = locate(reference[:piece], sound)[0]
    found = []
    for at in loud:
        low = max(0, at + late - piece // 2)
        place, correlation = locate(reference[at : at + piece], sound[low : at + late + piece + reach])
        if correlation >= _WHOLE:
            found.append((low + place - at - late) / rate_hz)
            late = low + place - at
    return found if len(found) >= _FOUND_SHARE * len(loud) else None
