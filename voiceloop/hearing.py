"""The ears: takes the microphone's frames, gives them to the VAD and the segmenter, and tells the conversation.

Does not decide anything but when not to listen (`Deafness`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import trio

from voiceloop.capture.ledger import Ledger
from voiceloop.capture.segmenter import Segmenter, SpeechEvent
from voiceloop.plugins import Vad
from voiceloop.types import Frame, Gap


class Listener(Protocol):
    """Who is told what was heard."""

    def on(self, event: SpeechEvent) -> None: ...


@dataclass(slots=True)
class Deafness:
    """When half-duplex is deaf: while something sounds, and `tail_s` longer (the room; frames still on their way)."""

    audible: Callable[[], bool]
    now: Callable[[], float]
    tail_s: float
    half_duplex: bool
    _until: float = 0.0

    def __call__(self) -> bool:
        if not self.half_duplex:
            return False
        if self.audible():
            self._until = self.now() + self.tail_s
            return True
        return self.now() < self._until


@dataclass(slots=True)
class Ears:
    """Everything between the frames and the conversation."""

    vad: Vad
    segmenter: Segmenter
    listener: Listener
    deafness: Deafness
    deaf: int = 0
    """Samples that were not listened to."""
    _was_deaf: bool = False

    @property
    def ledger(self) -> Ledger:
        """Where every sample went that came this far."""
        return self.segmenter.ledger + Ledger(received=self.deaf, deaf=self.deaf)

    async def listen(self, frames: trio.MemoryReceiveChannel[Frame | Gap]) -> None:
        """Listen until the frames end; what is open then is ended, so that no last word is lost."""
        async for item in frames:
            self.hear(item)
        self._break("end")

    def hear(self, item: Frame | Gap) -> None:
        """Take one frame."""
        if isinstance(item, Gap):
            self._break("gap")
        elif self.deafness():
            if not self._was_deaf:
                self._break("deaf")
            self._was_deaf = True
            self.deaf += item.samples
        else:
            self._was_deaf = False
            verdicts = self.vad.feed(item.pcm, item.index)
            for event in self.segmenter.feed(item, verdicts):
                self.listener.on(event)

    def _break(self, reason: str) -> None:
        self.vad.reset()
        for event in self.segmenter.flush(reason):
            self.listener.on(event)
