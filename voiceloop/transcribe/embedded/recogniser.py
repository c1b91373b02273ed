"""The interface between an embedded recogniser and the transcriber that runs it in threads. Knows no task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from voiceloop.types import Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class GivenUp(Exception):
    """The call was given up, so it has no result."""


class Call:
    """One call of a recogniser. The loop gives it up; the recogniser's thread notices."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._given_up = False
        self._stop: Callable[[], None] | None = None

    def give_up(self) -> None:
        """End the call as soon as possible. Called from the loop; never waits for native code."""
        with self._lock:
            self._given_up = True
            stop = self._stop
        if stop is not None:
            stop()

    def stop_by(self, stop: Callable[[], None]) -> None:
        """Name the function that interrupts the native code of this call. It is called at once if the call was given up
        already."""
        with self._lock:
            self._stop = stop
            given_up = self._given_up
        if given_up:
            stop()

    def check(self) -> None:
        """Raise `GivenUp` if the call was given up."""
        if self._given_up:
            raise GivenUp


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a recogniser made of a clip. Fields that it doesn't provide are None or empty."""

    text: str
    words: tuple[Word, ...] = ()
    """Words with their times, in seconds from the first sample of the clip."""
    confidence: float | None = None
    """0 to 1."""
    no_speech: float | None = None
    """How sure the recogniser is that nobody spoke: 0 to 1."""
    language: str | None = None


class Recogniser(Protocol):
    """Turns clips into text, in the calling thread."""

    @property
    def at_once(self) -> int:
        """How many calls may run at the same time."""
        ...

    @property
    def longest_s(self) -> float:
        """Longer clips are cut at pauses."""
        ...

    def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
        """The text of a clip of any length: float32, mono, 16 kHz, -1 to 1, shape (n,).

        Raises `GivenUp` when `call` was given up, `EngineError` when the recogniser fails.
        """
        ...
