"""Measures the echo of a short sound by the program's own canceller: its delay, its loudness, what is removed. Numpy.

    room's noise | the sound: quiet at first, then steady .........| the room's reverberation
    0.5 s        | 0.4 s     | 0.6 s, or up to 2.1 s until the delay is known | 0.6 s

Knows no device and no clock. The sound is noise, shaped roughly like speech and without anything that a telephone's
microphone would not hear, so that none of its energy is lost on the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceloop.audio.resample import resample
from voiceloop.echo.canceller import Canceller
from voiceloop.echo.correlation import correlation
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason

SOUND_S = 2.5
"""How long the sound is, if nobody stops it."""
QUIET_S = 0.5
"""How much of the room's noise is heard before it."""
REVERBERATES_S = 0.6
"""How much is heard after it: the longest delay, and the room."""
_BEGINNING_S = 0.1
"""How much of the microphone's beginning is ignored: some devices click when they are opened."""
_RISE_S, _RISE_DB = 0.4, 26.0
_LEVEL_DBFS = -24.0
"""As a voice from the loudspeaker, or a little below."""
_FADE_S = 0.01
_LOW_HZ, _HIGH_HZ, _SLOPE_HZ = 200.0, 3_600.0, 500.0
_SOUNDS_S = 1.0
"""How long the echo is heard at least: by then a canceller that can follow it has done so."""
_NOTHING_S = 1.6
"""When no echo is heard by then, none will be."""
_STEP = CAPTURE_RATE_HZ // 100
_LOUD = 4.0
"""An echo's step has so much more power than the room's noise. For quieter ones only the correlation is asked."""
_IN_A_ROW = 3
_STEADY = 0.1
"""The steady part are the steps with at least this share of the loudest one's power; the later half of them."""
_COPY = 0.12
"""What correlates so much with what was played is a copy of it. Speech and noise reach 0.05."""
_FULL_SCALE = 32_768.0
_CLIPS = 32_700
_SILENT = 1.0
"""A power that no microphone is below, unless it gives digital silence."""

Sound = NDArray[np.float64]


def measuring_sound(rate_hz: int) -> bytes:
    """The sound: int16, mono, at `rate_hz`; always the same. It rises from -50 dBFS to -24 dBFS."""
    count = round(SOUND_S * rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum *= ((hz >= _LOW_HZ) & (hz <= _HIGH_HZ)) / np.maximum(hz / _SLOPE_HZ, 1.0) ** 0.75
    sound = np.fft.irfft(spectrum, count)
    sound *= 10 ** (_LEVEL_DBFS / 20) / np.sqrt(np.mean(sound**2))
    at_s = np.arange(count) / rate_hz
    sound *= 10 ** (-_RISE_DB * np.maximum(1 - at_s / _RISE_S, 0.0) / 20)
    sound *= np.minimum(np.minimum(at_s, SOUND_S - at_s) / _FADE_S, 1.0)
    return np.rint(sound * _FULL_SCALE).clip(-32768, 32767).astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found. Levels in dB."""

    copy: bool
    """Whether a copy of the sound was heard: an echo."""
    delay_ms: float | None
    """From when the loudspeaker's device took a sample to when the microphone captured it; None if that is unknown."""
    gain_db: float | None
    """The echo's level against what was played; None for an echo that is quieter than the noise."""
    over_noise_db: float
    """The level of the steady part against the room's noise."""
    removed_db: float
    """How much lower the steady part was behind the canceller (ERLE)."""
    left_db: float
    """What was left of it behind the canceller, against the room's noise."""
    echo_only: float
    """The share of the steady part, 0 to 1, in which the double-talk detector was sure that nobody else was heard."""
    shifts: int
    """How often the pairing with what was played had to be moved meanwhile."""
    silent: bool
    """Whether the microphone gave nothing but digital silence."""
    clips: bool
    """Whether the echo was too loud for the microphone."""


class Measuring:
    """Takes the microphone's frames. Call `begin` when the sound begins; at the end ask `measured`."""

    def __init__(self, canceller: Canceller) -> None:
        self._canceller = canceller
        self._raw: list[bytes] = []
        self._clean: list[bytes] = []
        self._echo_only: list[bool] = []
        self._powers: list[float] = []
        self._rest = np.zeros(0)
        self._begun: int | None = None
        self._noise = _SILENT
        self._loud_from: int | None = None
        self.samples = 0
        """How many samples of the microphone were taken."""
        self.gap: GapReason | None = None
        """Why the microphone's sound was interrupted, if it was: then nothing can be said."""

    def take(self, item: Frame | Gap) -> None:
        """Take a frame or gap."""
        self._keep(self._canceller.take(item))
        if isinstance(item, Gap):
            self.gap = item.reason
            return
        self._raw.append(item.pcm)
        self.samples += item.samples
        heard = np.concatenate([self._rest, np.frombuffer(item.pcm, "<i2").astype(np.float64)])
        whole = len(heard) // _STEP * _STEP
        self._rest = heard[whole:]
        new = np.square(heard[:whole].reshape(-1, _STEP)).mean(1).tolist()
        self._powers += new
        self._echo_only += [self._canceller.echo_only] * len(new)
        if self._begun is not None and self._loud_from is None:
            last = self._powers[max(self._begun, len(self._powers) - len(new) - _IN_A_ROW) :]
            if len(last) >= _IN_A_ROW and min(last[-_IN_A_ROW:]) > _LOUD * self._noise:
                self._loud_from = len(self._powers)

    def begin(self) -> None:
        """The sound begins: all that was taken so far is the room's noise."""
        self._begun = len(self._powers)
        quiet = self._powers[round(_BEGINNING_S * 100) :]
        # The median: a cough before it doesn't count.
        self._noise = max(float(np.median(quiet)) if quiet else _SILENT, _SILENT)

    @property
    def heard_s(self) -> float:
        """How much of the microphone was taken, in seconds."""
        return self.samples / CAPTURE_RATE_HZ

    @property
    def enough(self) -> bool:
        """Whether the sound has been heard for long enough, or certainly isn't heard."""
        if self._begun is None:
            return False
        if self._loud_from is None:
            return len(self._powers) - self._begun >= _NOTHING_S * 100
        return len(self._powers) - self._loud_from >= _SOUNDS_S * 100 and self._canceller.pairing.delay_ms is not None

    def measured(self, played: bytes, rate_hz: int) -> Measured:
        """The result. `played`: all that the loudspeaker's device took (int16, mono, at `rate_hz`)."""
        pairing = self._canceller.pairing
        self._keep(self._canceller.flush())
        begun = self._begun or 0
        raw, clean = (np.frombuffer(b"".join(parts), "<i2").astype(np.float64) for parts in (self._raw, self._clean))
        before, after = (_powers(sound)[begun:] for sound in (raw, clean))
        steady = _steady(before)
        level, left = (float(np.mean(powers[steady])) if len(steady) else 0.0 for powers in (before, after))
        echo_energy = (float(before.sum()) - self._noise * len(before)) * _STEP / CAPTURE_RATE_HZ
        source = np.frombuffer(played, "<i2").astype(np.float64)
        source_energy = float(source @ source) / rate_hz
        heard = raw[begun * _STEP :].astype("<i2").tobytes()
        at_capture_rate = resample(played, from_hz=rate_hz, to_hz=CAPTURE_RATE_HZ)
        certain = echo_energy > 0.1 * self._noise * len(before) * _STEP / CAPTURE_RATE_HZ
        return Measured(
            copy=correlation(heard=heard, played=at_capture_rate) >= _COPY,
            delay_ms=pairing.delay_ms,
            gain_db=_db(echo_energy / source_energy) if certain and source_energy else None,
            over_noise_db=_db(level / self._noise),
            removed_db=_db(level / max(left, _SILENT)),
            left_db=_db(max(left, _SILENT) / self._noise),
            echo_only=float(np.mean(np.array(self._echo_only[begun:])[steady])) if len(steady) else 0.0,
            shifts=pairing.shifts,
            silent=not raw.any(),
            clips=bool(np.abs(raw).max(initial=0.0) >= _CLIPS),
        )

    def _keep(self, items: list[Frame | Gap] | list[Frame]) -> None:
        self._clean += [item.pcm for item in items if isinstance(item, Frame)]


def _powers(sound: Sound) -> Sound:
    """The power of each step of 10 ms."""
    steps = sound[: len(sound) // _STEP * _STEP].reshape(-1, _STEP)
    return np.asarray(np.square(steps).mean(1), dtype=np.float64)


def _steady(powers: Sound) -> NDArray[np.int64]:
    """The later half of the loud steps: by then the sound has risen, and the canceller has followed it."""
    loud = np.flatnonzero(powers >= _STEADY * powers.max(initial=0.0))
    return loud[len(loud) // 2 :]


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio) if ratio > 0 else -math.inf
