"""The turns at work: numbers, opens and refuses them, and sums what they have taken.

Doesn't know which of them is live, nor what their ends mean: `conversation.py` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from voiceloop.events import TURN
from voiceloop.turns.context import TurnContext
from voiceloop.turns.turn import Turn
from voiceloop.types import CAPTURE_RATE_HZ, Message, Transcript, Usage, Utterance


class RunningTurns:
    """Its turns run in `nursery`. `ended` is called when one of them has: it is still at work then, unless it was
    removed before."""

    def __init__(self, context: TurnContext, nursery: trio.Nursery, ended: Callable[[Turn], None]) -> None:
        self._context, self._nursery, self._ended = context, nursery, ended
        self._replaces = context.handler.turns == "replace"
        self._number = 0
        self._at_work: list[Turn] = []
        self.usage: Usage | None = None
        """What all turns that have ended took."""

    @property
    def at_work(self) -> tuple[Turn, ...]:
        """The turns that have neither ended nor been removed, oldest first."""
        return tuple(self._at_work)

    def open(
        self,
        history: Callable[[], Sequence[Message]],
        transcribed: Callable[[Turn, Transcript], bool],
        untranscribed: Callable[[Turn], None],
    ) -> Turn | None:
        """A new turn at work (see `Turn`), which follows those before it unless turns replace one another; None when
        too many wait already, which bounds what a handler that hangs can pile up."""
        if not self._replaces and len(self._at_work) >= self._context.settings.waiting:
            return None
        self._number += 1
        turn = Turn(self._number, self._context, history, transcribed, untranscribed)
        if not self._replaces:
            turn.follows = self.at_work
        self._at_work.append(turn)
        self._nursery.start_soon(self._run, turn)
        return turn

    def refuse(self, utterance: Utterance) -> None:
        """`open` gave None: what was said is kept under a number of its own, and that it was refused is told."""
        self._number += 1
        kept = self._context.journal.turn(self._number)
        kept.heard(utterance)
        kept.left("too many utterances waited for the handler (conversation.waiting)")
        self._context.publish("speech.refused", start_s=utterance.start / CAPTURE_RATE_HZ, waiting=len(self._at_work))

    def remove(self, turn: Turn) -> bool:
        """It is no longer at work; whether it was."""
        at_work = turn in self._at_work
        if at_work:
            self._at_work.remove(turn)
        return at_work

    async def _run(self, turn: Turn) -> None:
        TURN.set(turn.number)
        try:
            await turn.run()
        finally:
            if turn.usage is not None:
                self.usage = turn.usage if self.usage is None else self.usage + turn.usage
            self._ended(turn)
