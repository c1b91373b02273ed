"""Does what a control command says: listen, stop, mute, cancel; and tells how things stand. Knows no socket."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import trio

from voiceloop.config.tables import Limits
from voiceloop.control.attention import Attention
from voiceloop.events import Publish
from voiceloop.turns.preemptive import Tally
from voiceloop.types import CancelReason, Usage

_TELLING = frozenset(
    {"speech.started", "speech.ended", "speech.dropped", "turn.done", "device.lost", "device.back", "journal.pending"}
    | {"caption.live", "caption.final", "caption.failed"}
)
"""Events after which the short state may be another."""


class Closable(Protocol):
    """A microphone that can be closed for a while."""

    def mute(self, *, muted: bool) -> None: ...


class Forgetful(Protocol):
    """Ears that can leave what is being said."""

    def forget(self) -> None: ...


class Talk(Protocol):
    """What becomes of what was said."""

    @property
    def hearing(self) -> bool: ...
    @property
    def working(self) -> int: ...
    @property
    def usage(self) -> Usage | None: ...
    @property
    def wasted(self) -> Tally | None: ...
    def stop(self, reason: CancelReason) -> None: ...


@dataclass(slots=True)
class Loop:
    """What runs, as far as it can be controlled."""

    microphone: Closable
    conversation: Talk
    listener: Forgetful
    wake: Callable[[], None]
    """Wakes a handler that was told to sleep."""


@dataclass(slots=True)
class Controller:
    """`publish` takes every event on its way and remembers what `status` tells."""

    name: str
    attention: Attention
    limits: Limits
    now: Callable[[], float]
    forward: Publish
    loop: Loop | None = None
    """Set once it runs."""
    changed: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, whenever the short state may be another."""
    _parts: dict[str, object] = field(default_factory=dict)
    _pending: int = 0
    _doubtful: int = 0
    _away: bool = False
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.now()

    def publish(self, name: str, /, **fields: object) -> None:
        """Hand an event on."""
        self._note(name, fields)
        self.forward(name, **fields)
        if name in _TELLING:
            self._change()

    def _note(self, name: str, fields: dict[str, Any]) -> None:
        match name:
            case "listening":
                self._parts = dict(fields)
            case "journal.pending":
                self._pending, self._doubtful = fields["count"], fields["doubtful"]
            case "device.lost" | "device.back" if fields["which"] == "microphone":
                self._away = name == "device.lost"
            case "dictation.asleep" | "dictation.awake":
                before = self.attention.state
                self.attention.asleep = name == "dictation.asleep"
                self._tell(before)

    def do(self, command: str) -> None:
        """Obey one of `commands.COMMANDS` but `status`. At once: nothing here waits."""
        loop, attention, before = self.loop, self.attention, self.attention.state
        if loop is None:
            return
        match command:
            case "toggle" if before == "listening":
                attention.stop(self.now())
            case "start" | "toggle":
                if attention.asleep:
                    loop.wake()
                attention.start()
            case "stop":
                attention.stop(self.now())
            case "mute" | "unmute":
                attention.muted = command == "mute"
            case "cancel":
                if loop.conversation.hearing:
                    loop.listener.forget()
                loop.conversation.stop(CancelReason.WITHDRAWN)
        loop.microphone.mute(muted=attention.muted)
        self._tell(before)

    def _tell(self, before: str) -> None:
        if self.attention.state != before:
            self.forward("attention", state=self.attention.state)
            self._change()

    def _change(self) -> None:
        changed, self.changed = self.changed, trio.Event()
        changed.set()

    @property
    def short(self) -> dict[str, object]:
        """What a status bar shows."""
        loop = self.loop
        return {
            "state": self.attention.state,
            "speaking": loop is not None and loop.conversation.hearing,
            "working": loop.conversation.working if loop is not None else 0,
            "pending": self._pending,
            "microphone_lost": self._away,
        }

    @property
    def status(self) -> dict[str, object]:
        """All that is on."""
        conversation = self.loop.conversation if self.loop is not None else None
        usage = conversation.usage if conversation is not None else None
        wasted = conversation.wasted if conversation is not None else None
        return {
            "name": self.name,
            "pid": os.getpid(),
            "up_s": round(self.now() - self._began, 1),
            **self.short,
            "perhaps_delivered": self._doubtful,
            "parts": self._parts,
            "usage": asdict(usage) if usage is not None else None,
            "wasted": asdict(wasted) if wasted is not None else None,
            "limits": self.limits.model_dump(),
        }
