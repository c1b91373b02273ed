"""A journal that records what it is told of each turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from voiceloop.types import Transcript, Utterance


@dataclass
class FakePage:
    """A journal page that records the calls it got, in order."""

    saved: Callable[[], Awaitable[None]]
    calls: list[str] = field(default_factory=list)
    utterances: list[Utterance] = field(default_factory=list)

    def paused(self, clip: Utterance) -> None:
        assert not {"over", "left"} & set(self.calls)

    def heard(self, utterance: Utterance) -> None:
        self.calls.append("heard")
        self.utterances.append(utterance)

    async def safe(self) -> None:
        await self.saved()

    def transcribed(self, transcript: Transcript) -> None:
        self.calls.append("transcribed")

    async def delivering(self) -> None:
        self.calls.append("delivering")
        await trio.lowlevel.checkpoint()

    def over(self) -> None:
        self.calls.append("over")

    def left(self, reason: str) -> None:
        self.calls.append("left")


@dataclass
class FakeJournal:
    pages: dict[int, FakePage]
    saved: Callable[[], Awaitable[None]]

    def turn(self, number: int) -> FakePage:
        assert number not in self.pages
        return self.pages.setdefault(number, FakePage(self.saved))
