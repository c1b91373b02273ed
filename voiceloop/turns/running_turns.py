"""The running turns: numbers, starts and refuses turns, and sums up their usage.

Doesn't know which turn is live, nor what the end of a turn means: the conversation (`conversation.py`) does.
"""

from __future__ import annotations

import trio

from voiceloop.events import TURN
from voiceloop.turns.context import TurnContext
from voiceloop.turns.turn import Turn, TurnOwner
from voiceloop.types import CAPTURE_RATE_HZ, Usage, Utterance


class RunningTurns:
    """The turns that run in `nursery`. When one has ended it is still in `at_work`, unless it was removed before, while
    its owner is told.
    """

    def __init__(self, context: TurnContext, nursery: trio.Nursery, owner: TurnOwner) -> None:
        self._context, self._nursery, self._owner = context, nursery, owner
        self._replaces = context.handler.turns == "replace"
        self._number = 0
        self._at_work: list[Turn] = []
        self.usage: Usage | None = None
        """The usage of all turns that have ended."""

    @property
    def at_work(self) -> tuple[Turn, ...]:
        """The turns that have neither ended nor been removed, oldest first."""
        return tuple(self._at_work)

    def open(self) -> Turn | None:
        """Start a turn. Unless turns replace one another, it follows the others.

        None when `conversation.waiting` turns are at work already: so a handler that hangs can't pile up more.
        """
        if not self._replaces and len(self._at_work) >= self._context.settings.waiting:
            return None
        self._number += 1
        turn = Turn(self._number, self._context, self._owner)
        if not self._replaces:
            turn.follows = self.at_work
        self._at_work.append(turn)
        self._nursery.start_soon(self._run, turn, name=f"turn {turn.number}")
        return turn

    def refuse(self, utterance: Utterance) -> None:
        """Keep an utterance for which `open` gave no turn in the journal, under a number of its own, and publish
        `speech.refused`."""
        self._number += 1
        journal = self._context.journal.turn(self._number)
        journal.heard(utterance)
        journal.left("too many utterances waited for the handler (conversation.waiting)")
        self._context.publish("speech.refused", start_s=utterance.start / CAPTURE_RATE_HZ, waiting=len(self._at_work))

    def remove(self, turn: Turn) -> bool:
        """Take `turn` out of `at_work`. Returns whether it was there."""
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
            self._owner.ended(turn)
