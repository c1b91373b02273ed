"""Adapter through which `voiceloop ctl` controls captions: each command applies to every source. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from voiceloop.capture.listener import Listener
from voiceloop.capture.microphone import Microphone
from voiceloop.types import CancelReason


class Source(Protocol):
    """The captions of one source, as `captioner.Captioner` makes them."""

    @property
    def speaking(self) -> bool: ...

    @property
    def working(self) -> int: ...

    def withdraw(self, reason: CancelReason) -> None: ...


@dataclass(frozen=True, slots=True)
class Controls:
    """Takes the place of the microphone, the listener and the conversation of `controller.Loop`."""

    microphones: Sequence[Microphone]
    listeners: Sequence[Listener]
    captioners: Sequence[Source]
    holds: Callable[[Listener], bool] = lambda _: False
    """Whether speech is held back, of which the listener's captioner knows nothing yet."""
    usage: None = None
    """Always None: captions count no usage here."""
    wasted: None = None

    def mute(self, *, muted: bool) -> None:
        for microphone in self.microphones:
            microphone.mute(muted=muted)

    def expect(self, *, heard: bool) -> None:
        for microphone in self.microphones:
            microphone.expect(heard=heard)

    @property
    def speaking(self) -> bool:
        return any(captioner.speaking for captioner in self.captioners) or any(map(self.holds, self.listeners))

    @property
    def working(self) -> int:
        return sum(captioner.working for captioner in self.captioners)

    def forget(self) -> None:
        for listener, captioner in zip(self.listeners, self.captioners, strict=True):
            if captioner.speaking or self.holds(listener):
                listener.forget()

    def stop(self, reason: CancelReason) -> None:
        for captioner in self.captioners:
            captioner.withdraw(reason)
