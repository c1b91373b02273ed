"""A second VAD for a person whom the canceller's suppressor takes away together with an echo as loud as they are.

It hears what a linear filter leaves of the microphone: all of the person, but more of the echo. So it is asked only
while something is heard that the echo can't be, and costs nothing else.
"""

from __future__ import annotations

from typing import Protocol

from voiceloop.plugins import Vad
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_OTHER = 0.25
_AT_ONCE = CAPTURE_RATE_HZ // 5
"""It begins with the last 200 ms: the voice that is to be judged has begun before it was noticed."""


class Residual(Protocol):
    """What is left of the microphone by a linear filter, such as `Canceller`."""

    @property
    def residual_share(self) -> float:
        """The share of the microphone's energy just now that was left and can't be the echo, from 0 to 1. 0 where the
        filter is not in its place: then what is left is the echo."""
        ...

    def residual(self, samples: int) -> bytes:
        """What is left of the last samples (int16, mono, 16 kHz)."""
        ...


class SecondOpinion:
    """Whether the person is heard in the residual: call `voiced` for each frame."""

    def __init__(self, vad: Vad, residual: Residual) -> None:
        self._vad, self._residual = vad, residual
        self._index = 0
        self._unheard = 0

    def skip(self, samples: int) -> None:
        """Leave out a frame, of so many samples, in which nobody but the loudspeaker is heard."""
        self._unheard += samples

    def reset(self) -> None:
        """The next frame doesn't continue the last one."""
        self._unheard = _AT_ONCE + 1

    def voiced(self, samples: int) -> bool:
        """Whether there is voice in what was left of the last frame, of so many samples."""
        self._unheard += samples
        if self._residual.residual_share < _OTHER:
            return False
        pcm = self._residual.residual(min(self._unheard, _AT_ONCE))
        if self._unheard > _AT_ONCE:
            self._vad.reset()
        self._unheard = 0
        verdicts = self._vad.feed(pcm, self._index)
        self._index += len(pcm) // SAMPLE_BYTES
        return any(verdict.voiced for verdict in verdicts)
