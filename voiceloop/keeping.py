"""What a turn tells of its speech so that it can be kept until it is delivered. Knows no disk.

For handlers that do something with what was said (`in_order`, `exclusive`). A conversation (`replace`) keeps nothing:
what was said is stale once the reply was cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voiceloop.types import Transcript, Utterance


class Keeping(Protocol):
    """The speech of one turn. Only `safe` and `delivering` wait; neither fails: what can't be kept is said, and the
    turn goes on."""

    def paused(self, clip: Utterance) -> None:
        """An utterance is all there unless it goes on: keep what there is, until it is complete."""

    def heard(self, utterance: Utterance) -> None:
        """An utterance is complete: keep it."""

    async def safe(self) -> None:
        """Wait until all that was said so far is kept."""

    def transcribed(self, transcript: Transcript) -> None:
        """Its text is known, and certain."""

    async def delivering(self) -> None:
        """Note that from now on it may have been delivered; returns when that is kept. May be called again."""

    def over(self) -> None:
        """It was delivered, was nothing, or is not wanted: forget it."""

    def left(self, reason: str) -> None:
        """It was not delivered, and this session won't try again."""


class Journal(Protocol):
    """Keeps the speech of turns."""

    def turn(self, number: int) -> Keeping: ...


@dataclass(frozen=True, slots=True)
class Unkept:
    """A journal that keeps nothing, and its turns."""

    def turn(self, _: int) -> Unkept:
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


UNKEPT = Unkept()
