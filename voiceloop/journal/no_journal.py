"""A journal that keeps nothing: for conversations, and if the state folder can't be written."""

from __future__ import annotations

from dataclasses import dataclass

from voiceloop.types import Transcript, Utterance


@dataclass(frozen=True, slots=True)
class NoJournal:
    """`plugins.Journal` and `plugins.TurnJournal` in one; no method does anything."""

    def turn(self, _: int) -> NoJournal:
        return self

    def paused(self, clip: Utterance) -> None:
        """Does nothing."""

    def heard(self, utterance: Utterance) -> None:
        """Does nothing."""

    async def safe(self) -> None:
        """Does nothing."""

    def transcribed(self, transcript: Transcript) -> None:
        """Does nothing."""

    async def delivering(self) -> None:
        """Does nothing."""

    def over(self) -> None:
        """Does nothing."""

    def left(self, reason: str) -> None:
        """Does nothing."""


NO_JOURNAL = NoJournal()
