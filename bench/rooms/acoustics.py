"""The sound of the room: what of the loudspeaker's sound the microphone hears, and when. Pure.

played --> soft clipping --> read at the microphone's times, less the delay --> impulse response --> echo
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bench.rooms.voices import Sound, active_dbfs
from voiceloop.types import CAPTURE_RATE_HZ

_TAPS = 48
_PHASES = 512
_CUTOFF = 0.31
"""Of the rate of what is played: 7.4 kHz of 24."""
_DIRECT = 0.6
"""The amplitude of the direct sound, of a whole of 1, where there is reverberation."""
_KEPT_S = 3.0


def _kernels() -> Sound:
    """Windowed sinc functions, one for each phase: a low-pass filter that reads between two samples."""
    at = np.arange(_TAPS)[None, :] - (_TAPS // 2 - 1) - np.arange(_PHASES)[:, None] / _PHASES
    kernels: Sound = 2 * _CUTOFF * np.sinc(2 * _CUTOFF * at) * np.cos(np.pi * at / (_TAPS + 2)) ** 2
    kernels /= kernels.sum(1, keepdims=True)
    return kernels


_KERNELS = _kernels()


class _Stretch:
    """Contiguous sound of one stream; `began` is when its first sample was due, in seconds."""

    def __init__(self, began: float, rate_hz: float) -> None:
        self._began, self._rate_hz = began, rate_hz
        self._sound = np.zeros(round(2 * _KEPT_S * rate_hz))
        self._start = self._end = 0
        """The first sample that is kept, and just past the last one."""
        self._audible = 0
        """Just past the last sample that is not silent."""

    def append(self, sound: Sound) -> None:
        if self._end - self._start + len(sound) > len(self._sound):
            kept = round(_KEPT_S * self._rate_hz)
            self._sound[:kept] = self._sound[self._end - self._start - kept : self._end - self._start]
            self._start = self._end - kept
        at = self._end - self._start
        self._sound[at : at + len(sound)] = sound
        self._end += len(sound)
        self._audible = self._end if sound.any() else self._audible

    def read(self, times: Sound) -> Sound:
        """The sound at those times; silence where there is none."""
        places = (times - self._began) * self._rate_hz
        whole = np.floor(places).astype(int)
        first = int(whole[0]) - _TAPS // 2
        if whole[-1] < -_TAPS or first > self._audible:
            return np.zeros(len(times))
        phases = ((places - whole) * _PHASES).astype(int)
        span = np.zeros(int(whole[-1]) - first + _TAPS)
        low, high = max(first, self._start), min(first + len(span), self._end)
        if high > low:
            span[low - first : high - first] = self._sound[low - self._start : high - self._start]
        rows = sliding_window_view(span, _TAPS)[whole - first - _TAPS // 2 + 1]
        read: Sound = np.einsum("ij,ij->i", rows, _KERNELS[phases])
        return read


class Loudspeaker:
    """What was played, by the time at which each sample was due. Clips softly from `clipping_db` on."""

    def __init__(self, clipping_db: float) -> None:
        self._knee = 10 ** (clipping_db / 20)
        self._stretches: deque[_Stretch] = deque(maxlen=2)

    def begin(self, at: float, rate_hz: float) -> None:
        """What follows is not contiguous with what was played before: its first sample is due at `at`."""
        self._stretches.append(_Stretch(at, rate_hz))

    def play(self, pcm: bytes) -> None:
        """Play the next samples (int16, mono)."""
        sound = np.frombuffer(pcm, "<i2") / 32768
        self._stretches[-1].append(self._knee * np.tanh(sound / self._knee))

    def heard(self, times: Sound) -> Sound:
        """What sounds at those times."""
        return sum((stretch.read(times) for stretch in self._stretches), np.zeros(len(times)))


def impulse_response(rt60_s: float, random: np.random.Generator) -> Sound:
    """The direct sound and exponential noise after it, at the capture rate, with an energy of 1."""
    if not rt60_s:
        return np.ones(1)
    length = round(rt60_s * CAPTURE_RATE_HZ)
    tail = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: round(0.002 * CAPTURE_RATE_HZ)] = 0.0
    tail *= np.sqrt((1 - _DIRECT**2) / np.square(tail).sum())
    tail[0] = _DIRECT
    return tail


class Room:
    """Convolves with an impulse response, block by block."""

    def __init__(self, response: Sound, block: int) -> None:
        self._block = block
        self._size = 1 << (len(response) + block - 1).bit_length()
        self._spectrum = np.fft.rfft(response, self._size)
        self._past = np.zeros(self._size)
        self._quiet = self._size

    def feed(self, sound: Sound) -> Sound:
        """The next block with its reverberation and that of all before it."""
        self._past = np.concatenate([self._past[self._block :], sound])
        self._quiet = 0 if sound.any() else self._quiet + self._block
        if self._quiet >= self._size:
            return np.zeros(self._block)
        return np.fft.irfft(np.fft.rfft(self._past) * self._spectrum, self._size)[-self._block :]


def echo_gain(played: Sound, rate_hz: int, response: Sound, *, clipping_db: float, dbfs: float) -> float:
    """The gain with which the echo of a sound has a level, in active speech."""
    speaker = Loudspeaker(clipping_db)
    speaker.begin(0.0, rate_hz)
    piece = played[: 3 * rate_hz]
    speaker.play(np.rint(piece * 32767).astype("<i2").tobytes())
    dry = speaker.heard(np.arange(len(piece) * CAPTURE_RATE_HZ // rate_hz) / CAPTURE_RATE_HZ)
    size = len(dry) + len(response) - 1
    # By spectra: np.convolve takes minutes where the threads of two processes wait for each other.
    wet = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(response, size), size)
    return float(10 ** ((dbfs - active_dbfs(wet, CAPTURE_RATE_HZ)) / 20))
