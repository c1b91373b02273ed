"""Keeps the chimes out of the microphone's frames: filters those in which one may be heard, and no others. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from voiceloop.echo.notch import Notch
from voiceloop.playback.earcon import CHIME_HZ
from voiceloop.types import Frame


class WithoutChimes:
    """`heard_at` tells whether a chime may be heard in sound captured at a time, `captured` when a sample was captured
    (`Chimes.heard_at`, `Microphone.clock`)."""

    def __init__(self, heard_at: Callable[[float], bool], captured: Callable[[int], float]) -> None:
        self._heard_at, self._captured = heard_at, captured
        self._notch: Notch | None = None
        self._end = 0

    def __call__(self, frame: Frame) -> Frame:
        """The frame without chimes."""
        if not self._heard_at(self._captured(frame.index)):
            self._notch = None
            return frame
        if self._notch is None or frame.index != self._end:
            self._notch = Notch(CHIME_HZ)
        self._end = frame.end
        return dataclasses.replace(frame, pcm=self._notch.filter(frame.pcm))
