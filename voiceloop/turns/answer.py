"""An answer attempt: the handler's reply to one transcript and its delivery, behind the turn's gate.

Doesn't decide whether the user has finished: the turn (`turn.py`) does, by opening the gate. An attempt that was begun
in a pause is thrown away when the user goes on; nothing of it was heard or done by then.

    time  --------------------------------------------------------------------------->
    text known                          gate opens (the turn is certain)
    |                                   |
    [handler: say("..."), say("..."), committed() waits here | acts, says more ...]
         [first chunk synthesised]      |                    |
                           waits ------>[first chunk plays][second chunk plays] ...
                                        [second chunk synthesised]

A handler that isn't preemptive starts only when the gate is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from voiceloop.errors import HandlerError, VoiceloopError, contained, first
from voiceloop.plugins import TurnJournal, speaking
from voiceloop.speak.delivery import Delivery
from voiceloop.turns.context import TurnContext
from voiceloop.turns.preemptive import Asked, Kind
from voiceloop.types import Heard, Message, Speech, Transcript, Usage


class AttemptOwner(Protocol):
    """The turn that is answered."""

    def add_usage(self, usage: Usage) -> None:
        """Called with what each request has used."""


@dataclass(slots=True, eq=False)
class AnswerAttempt:
    """One attempt to answer what the user said. Nothing of it is heard or done before `gate` is set.

    It is also the `DeliveryOwner` of its `Delivery`: it notes times and counts requests.
    """

    context: TurnContext
    gate: trio.Event
    """Set when the turn is certain."""
    owner: AttemptOwner
    journal: TurnJournal
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    marks: dict[str, float] = field(default_factory=dict)
    """When each point was first reached, by the clock of the context: its name and its time in seconds."""
    asked: list[Asked] = field(default_factory=list)
    """The requests made for this attempt."""
    acted: bool = False
    """Whether the handler may have done something that can't be undone: its call of `committed` has returned."""
    _delivery: Delivery | None = None

    def mark(self, name: str) -> None:
        """Note when a point was first reached."""
        self.marks.setdefault(name, self.context.now())

    def sounds(self, text: str) -> None:
        """A chunk of the reply begins to play."""
        self.context.audible.begin(text, self.context.now())

    def asking(self, kind: Kind, units: float = 1.0) -> None:
        """Count a request that is about to be made (`units` as in `Asked`)."""
        self.asked.append(Asked(kind, units))

    def spent(self, kind: Kind, usage: Usage) -> None:
        """Add `usage` to the turn's, and its cost to the oldest request of this kind that has none yet."""
        self.owner.add_usage(usage)
        for request in self.asked:
            if request.kind == kind and request.cost_usd is None:
                request.cost_usd = usage.cost_usd
                return

    async def committed(self) -> None:
        """Wait until the turn is certain, and note in the journal that the speech may be delivered from now on."""
        await self.gate.wait()
        await self.journal.delivering()

    def heard(self) -> Heard:
        """The part of the reply that has been played."""
        return self._delivery.heard() if self._delivery else Heard("", complete=True)

    def heard_s(self) -> float:
        """Seconds of the reply that have been played."""
        return self._delivery.heard_s() if self._delivery else 0.0

    async def answer(self, transcript: Transcript, history: Sequence[Message]) -> None:
        """Run the handler and deliver its reply. If the handler fails, its error is raised after the text that it had
        already said was played."""
        context = self.context
        synthesizer = speaking(context.synthesizer, transcript.language)
        language = context.reply_language or transcript.language or context.language
        self._delivery = delivery = Delivery(synthesizer, context.speaker, context.publish, self, language)
        failures: list[VoiceloopError] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._handle, transcript, _Reply(self, delivery, history), failures, name="handler")
            await delivery.run()
        context.audible.cut(context.now())
        if failures:
            raise failures[0]

    async def _handle(self, transcript: Transcript, reply: _Reply, failures: list[VoiceloopError]) -> None:
        try:
            await trio.lowlevel.checkpoint_if_cancelled()  # an attempt that was thrown away must make no request
            self.asking("handle")
            await contained(partial(self.context.handler.handle, transcript, reply))
        except* VoiceloopError as group:
            failures.append(first(group))
        except* (Exception, SystemExit) as group:  # noqa: BLE001 - any error of a handler is reported as the handler's
            error = first(group)
            failures.append(HandlerError(f"{type(error).__name__}: {error}", place="handler"))
        await reply.delivery.finish()


@dataclass(frozen=True, slots=True)
class _Reply:
    """The `plugins.Reply` that a handler is given."""

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
