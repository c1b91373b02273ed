"""Transcription of the speech of one turn: nothing is posted once the user has gone on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import trio
from trio.testing import wait_all_tasks_blocked

from voiceloop.plugins import Transcriber
from voiceloop.turns.transcribing import Transcribing
from voiceloop.types import Transcript, Utterance


@dataclass
class Owner:
    """A turn whose journal saves the speech when `disk` is set."""

    disk: trio.Event = field(default_factory=trio.Event)
    clips: list[Utterance] = field(default_factory=list)

    async def saved(self) -> None:
        await self.disk.wait()

    def posting(self, clip: Utterance) -> None:
        self.clips.append(clip)

    def posted(self, transcript: Transcript) -> None: ...

    def pause_failed(self) -> None: ...


class Recogniser:
    preemptive = True

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Any]:
        yield self

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        await trio.lowlevel.checkpoint()
        return Transcript("one", utterance)


async def test_a_clip_is_not_posted_if_the_user_goes_on_at_the_moment_when_it_is_saved() -> None:
    owner = Owner()
    transcribing = Transcribing(cast(Transcriber, Recogniser()), trio.CapacityLimiter(1), 30.0, owner)
    before, whole = Utterance(bytes(32_000), 0, 16_000), Utterance(bytes(64_000), 0, 32_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transcribing.run)
        transcribing.begin()
        transcribing.feed(before.pcm)
        transcribing.pause(before)
        await wait_all_tasks_blocked()
        owner.disk.set()
        transcribing.resume()
        transcribing.feed(whole.pcm[32_000:])
        transcribing.end(whole)
    assert owner.clips == [whole]
