"""The controller: carries out control commands (listen, stop, mute, cancel) and reports the status. Knows no socket."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import trio

from voiceloop.config.tables import Limits
from voiceloop.control.attention import Attention
from voiceloop.events import Publish
from voiceloop.turns.preemptive import Tally
from voiceloop.types import CancelReason, Usage

if TYPE_CHECKING:
    from voiceloop.echo.tally import Pairing

_STATE_EVENTS = frozenset(
    {"speech.started", "speech.ended", "speech.dropped", "turn.done", "device.lost", "device.back", "journal.pending"}
    | {"caption.live", "caption.final", "caption.failed"}
)
"""Events after which the short state may have changed."""


class Closable(Protocol):
    """A microphone that can be closed and opened again."""

    def mute(self, *, muted: bool) -> None: ...

    def expect(self, *, heard: bool) -> None: ...


class DiscardsSpeech(Protocol):
    """A listener that can discard the current utterance."""

    def forget(self) -> None: ...


class ControlledConversation(Protocol):
    """The conversation, as far as the controller uses it."""

    @property
    def speaking(self) -> bool:
        """Whether the user is speaking."""

    @property
    def working(self) -> int:
        """How many turns are being worked on."""

    @property
    def usage(self) -> Usage | None:
        """What all turns so far have used."""

    @property
    def wasted(self) -> Tally | None:
        """The preemptive requests that were discarded."""

    def stop(self, reason: CancelReason) -> None:
        """Cancel all turns."""


class Paired(Protocol):
    """The echo canceller, which pairs the microphone with what was played."""

    @property
    def pairing(self) -> Pairing: ...


@dataclass(slots=True)
class Loop:
    """The running parts that the controller acts on."""

    microphone: Closable
    conversation: ControlledConversation
    listener: DiscardsSpeech
    wake: Callable[[], None]
    """Wakes a handler that is asleep."""
    canceller: Paired | None = None
    """None where the microphone doesn't hear the loudspeaker, or isn't listened to while a reply sounds."""


@dataclass(slots=True)
class Controller:
    """Carries out commands. Every event passes through `publish`, which remembers what `status` reports."""

    name: str
    attention: Attention
    limits: Limits
    now: Callable[[], float]
    forward: Publish
    loop: Loop | None = None
    """None until the loop runs; commands are ignored until then."""
    changed: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced by a new event, whenever the short state may have changed."""
    notify: str = "off"
    """Desktop notifications: `off`, `on`, or why none can be shown."""
    _hearers: list[Callable[[str], None]] = field(default_factory=list)
    _parts: dict[str, object] = field(default_factory=dict)
    _last_turn: dict[str, float] | None = None
    """The times of the last turn that was answered."""
    _pending: int = 0
    _doubtful: int = 0
    """How many of the pending texts may already have been delivered."""
    _microphone_lost: bool = False
    _caution: str = "normal"
    """How careful the loop is with its own voice."""
    _echo: dict[str, object] | None = None
    """The figures of the last reply's echo."""
    _started_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.now()

    def hear(self, hear: Callable[[str], None]) -> None:
        """Call `hear` with the attention state whenever it has changed."""
        self._hearers.append(hear)

    def publish(self, name: str, /, **fields: object) -> None:
        """Record an event for `status` and forward it."""
        self._record(name, fields)
        self.forward(name, **fields)
        if name in _STATE_EVENTS:
            self._signal_change()

    def _record(self, name: str, fields: dict[str, Any]) -> None:
        match name:
            case "listening":
                self._parts = dict(fields)
            case "notify.failed":
                self.notify = fields["why"]
            case "turn.done":
                self._last_turn = _times(fields["marks"]) or self._last_turn
            case "echo.caution":
                self._caution = fields["level"]
            case "echo.reply":
                self._echo = dict(fields)
            case "journal.pending":
                self._pending, self._doubtful = fields["count"], fields["doubtful"]
            case "device.lost" | "device.back" if fields["which"] == "microphone":
                self._microphone_lost = name == "device.lost"
            case "dictation.asleep" | "dictation.awake":
                before = self.attention.state
                self.attention.asleep = name == "dictation.asleep"
                self._publish_attention(before)

    @property
    def listening(self) -> bool:
        """Whether all speech is used."""
        return self.attention.state == "listening"

    def do(self, command: str) -> None:
        """Carry out one of `commands.COMMANDS`, except `status`. Never waits."""
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
                if loop.conversation.speaking:
                    loop.listener.forget()
                loop.conversation.stop(CancelReason.WITHDRAWN)
        loop.microphone.mute(muted=attention.muted)
        if attention.state != before:
            loop.microphone.expect(heard=attention.state == "listening")
        self._publish_attention(before)

    def _publish_attention(self, before: str) -> None:
        """Publish the attention state if it differs from `before`."""
        if self.attention.state != before:
            self.forward("attention", state=self.attention.state)
            for hear in self._hearers:
                hear(self.attention.state)
            self._signal_change()

    def _signal_change(self) -> None:
        previous, self.changed = self.changed, trio.Event()
        previous.set()

    @property
    def short(self) -> dict[str, object]:
        """The short state, as for a status bar."""
        loop = self.loop
        return {
            "state": self.attention.state,
            "speaking": loop is not None and loop.conversation.speaking,
            "working": loop.conversation.working if loop is not None else 0,
            "pending": self._pending,
            "microphone_lost": self._microphone_lost,
        }

    @property
    def status(self) -> dict[str, object]:
        """The whole status: the short state, the parts in use, usage and limits."""
        conversation = self.loop.conversation if self.loop is not None else None
        usage = conversation.usage if conversation is not None else None
        wasted = conversation.wasted if conversation is not None else None
        return {
            "name": self.name,
            "pid": os.getpid(),
            "up_s": round(self.now() - self._started_at, 1),
            **self.short,
            "perhaps_delivered": self._doubtful,
            "parts": self._parts,
            "echo_caution": self._caution,
            "echo": self._echo_status(),
            "notify": self.notify,
            "last_turn": self._last_turn,
            "usage": asdict(usage) if usage is not None else None,
            "wasted": asdict(wasted) if wasted is not None else None,
            "limits": self.limits.model_dump(),
        }

    def _echo_status(self) -> dict[str, object] | None:
        """How the microphone is paired with what is played, and the last reply's echo; None without a canceller."""
        if self.loop is None or self.loop.canceller is None:
            return None
        pairing = self.loop.canceller.pairing
        return {
            "aligned_s": None if pairing.aligned_at is None else round(self.now() - pairing.aligned_at, 1),
            "shifts": pairing.shifts,
            "delay_ms": pairing.delay_ms,
            "last_reply": self._echo,
        }


def _times(marks: Mapping[str, float]) -> dict[str, float]:
    """Seconds from the last voiced sample to the transcript (`words_s`) and to the reply's first sound (`reply_s`)."""
    ends = {"words_s": "text", "reply_s": "first_played"}
    if "last_voiced" not in marks:
        return {}
    return {name: round(marks[mark] - marks["last_voiced"], 3) for name, mark in ends.items() if mark in marks}
