"""One go at an answer: handler and delivery, behind a gate. Thrown away when the user goes on after a pause.

Doesn't know whether the user has finished: `turn.py` does, by the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from voiceloop.errors import HandlerError, VoiceloopError, first
from voiceloop.plugins import TurnJournal
from voiceloop.speak.delivery import Delivery
from voiceloop.turns.context import TurnContext
from voiceloop.turns.preemptive import Asked, Kind
from voiceloop.types import Heard, Message, Speech, Transcript, Usage


@dataclass(slots=True, eq=False)
class AnswerAttempt:
    """See the module. `spend` is told what each request took; nothing may be seen of it before `gate` is set."""

    context: TurnContext
    gate: trio.Event
    spend: Callable[[Usage], None]
    kept: TurnJournal
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    marks: dict[str, float] = field(default_factory=dict)
    """When each point was first reached."""
    asked: list[Asked] = field(default_factory=list)
    """The requests made for it."""
    acted: bool = False
    """The handler was let do what can't be undone."""
    _delivery: Delivery | None = None

    def mark(self, name: str) -> None:
        """Note when a point was first reached."""
        self.marks.setdefault(name, self.context.now())

    def sounds(self, text: str) -> None:
        """A chunk of the reply begins to be played."""
        self.context.audible.begin(text, self.context.now())

    def asking(self, kind: Kind, units: float = 1.0) -> None:
        """Count a request that is about to be made."""
        self.asked.append(Asked(kind, units))

    def spent(self, kind: Kind, usage: Usage) -> None:
        """Count what a request took."""
        self.spend(usage)
        for request in self.asked:
            if request.kind == kind and request.cost_usd is None:
                request.cost_usd = usage.cost_usd
                return

    async def committed(self) -> None:
        """Wait until the turn is certain, and note that what was said may be delivered from now on."""
        await self.gate.wait()
        await self.kept.delivering()

    def heard(self) -> Heard:
        """What of the reply has been played."""
        return self._delivery.heard() if self._delivery else Heard("", complete=True)

    def heard_s(self) -> float:
        """Seconds of the reply that have been played."""
        return self._delivery.heard_s() if self._delivery else 0.0

    async def answer(self, transcript: Transcript, history: Sequence[Message]) -> None:
        """Let the handler answer, and deliver what it says. Raises what made it fail, once all that it had said was
        played."""
        context = self.context
        self._delivery = delivery = Delivery(context.synthesizer, context.speaker, context.publish, self)
        failures: list[VoiceloopError] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._handle, transcript, _Answer(self, delivery, history), failures)
            await delivery.run()
        context.audible.cut(context.now())
        if failures:
            raise failures[0]

    async def _handle(self, transcript: Transcript, answer: _Answer, failures: list[VoiceloopError]) -> None:
        try:
            await trio.lowlevel.checkpoint_if_cancelled()  # what was thrown away already asks nothing
            self.asking("handle")
            await self.context.handler.handle(transcript, answer)
        except* VoiceloopError as group:
            failures.append(first(group))
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - whatever it raises is told as the handler's
            error = first(group)
            failures.append(HandlerError(f"{type(error).__name__}: {error}", place="handler"))
        await answer.delivery.finish()


@dataclass(frozen=True, slots=True)
class _Answer:
    """`plugins.Reply`, as a handler sees it."""

    attempt: AnswerAttempt
    delivery: Delivery
    history: Sequence[Message]

    async def say(self, delta: str) -> None:
        await self.delivery.say(delta)

    async def play(self, speech: Speech, text: str = "") -> None:
        await self.delivery.play(speech, text)

    async def committed(self) -> None:
        await self.attempt.committed()
        self.attempt.acted = True

    def spent(self, usage: Usage) -> None:
        self.attempt.spent("handle", usage)
