"""A journal that keeps nothing: for conversations, and where the state folder can't be written."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.types import Transcript, Utterance


@dataclass(frozen=True, slots=True)
class NoJournal:
    """A journal that keeps nothing, and its turns."""

    def turn(self, _: int) -> NoJournal:
        return self

    def paused(self, clip: Utterance) -> None:
        """Nothing is kept."""

    def heard(self, utterance: Utterance) -> None:
        """Nothing is kept."""

    async def safe(self) -> None:
        """Nothing is kept."""

    def transcribed(self, transcript: Transcript) -> None:
        """Nothing is kept."""

    async def delivering(self) -> None:
        """Nothing is kept."""

    def over(self) -> None:
        """Nothing is kept."""

    def left(self, reason: str) -> None:
        """Nothing is kept."""


NO_JOURNAL = NoJournal()
