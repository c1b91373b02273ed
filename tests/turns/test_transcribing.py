"""Transcription of the speech of one turn: nothing is posted once the user has gone on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from voiceloop.errors import RateLimited
from voiceloop.plugins import Transcriber
from voiceloop.transcribe.merging import SpokenClip
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


@dataclass
class Recogniser:
    """A recogniser that takes clips, and fails with `error` if that is set."""

    error: RateLimited | None = None
    preemptive: bool = True
    texts: dict[int, str] = field(default_factory=dict)
    """Texts other than "one", by the clip's first sample."""

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Any]:
        yield self

    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return Transcript(self.texts.get(utterance.start, "one"), utterance)


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


async def test_a_transcription_that_failed_in_a_pause_ends_with_an_utterance_that_is_dropped(
    autojump_clock: MockClock,
) -> None:
    """Whether it is the first piece of the utterance or a later one, nobody waits for more of it."""
    owner = Owner()
    owner.disk.set()
    recogniser = Recogniser()
    transcribing = Transcribing(cast(Transcriber, recogniser), trio.CapacityLimiter(1), 30.0, owner)
    first, second = Utterance(bytes(32_000), 0, 16_000, continues=True), Utterance(bytes(32_000), 16_000, 32_000)
    with pytest.RaisesGroup(RateLimited, flatten_subgroups=True), trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transcribing.run)
            transcribing.begin()
            transcribing.feed(first.pcm)
            transcribing.end(first)
            transcribing.begin()
            transcribing.feed(second.pcm)
            await wait_all_tasks_blocked()
            recogniser.error = RateLimited("busy", status=429)
            transcribing.pause(second)
            await wait_all_tasks_blocked()
            transcribing.drop()


async def test_earlier_speech_becomes_one_clip_with_the_first_piece_of_a_long_utterance() -> None:
    owner = Owner()
    earlier = Utterance(b"\1\0" * 1_600, 0, 1_600)
    first, second = (
        Utterance(b"\2\0" * 1_600, 3_200, 4_800, continues=True),
        Utterance(b"\3\0" * 1_600, 4_800, 6_400),
    )
    transcribing = Transcribing(cast(Transcriber, Recogniser()), trio.CapacityLimiter(1), 30.0, owner)
    transcribing.earlier = (SpokenClip(earlier),)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transcribing.run)
        for piece in (first, second):
            transcribing.begin()
            transcribing.feed(piece.pcm)
            transcribing.end(piece)
        owner.disk.set()
    merged, alone = sorted(owner.clips, key=lambda clip: clip.start)
    assert (merged.start, merged.pcm[:2], merged.pcm[-2:]) == (0, b"\1\0", b"\2\0")
    assert alone == second


async def test_earlier_speech_is_said_once_although_it_was_part_of_a_clip_in_one_of_the_pauses() -> None:
    """In the first pause both fit into one clip, in the second they don't any more."""
    owner = Owner()
    owner.disk.set()
    transcribing = Transcribing(cast(Transcriber, Recogniser()), trio.CapacityLimiter(1), 2.5, owner)
    transcribing.earlier = (SpokenClip(Utterance(bytes(32_000), 0, 16_000)),)
    clips = [Utterance(bytes(32_000 * seconds), 32_000, 32_000 + 16_000 * seconds) for seconds in (1, 3, 4)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transcribing.run)
        transcribing.begin()
        for clip, more in zip(clips, (1, 2, 1), strict=True):
            transcribing.feed(bytes(32_000 * more))
            await wait_all_tasks_blocked()
            transcribing.pause(clip)
            await wait_all_tasks_blocked()
            if clip is not clips[-1]:
                transcribing.resume()
        transcribing.end(clips[-1])
    assert [clip.utterance.start for clip in transcribing.earlier] == [0]
    assert (await transcribing.with_earlier(await transcribing.text())).text == "one one"


async def test_earlier_speech_that_has_no_text_yet_is_transcribed_clip_by_clip_and_said_in_order() -> None:
    owner = Owner()
    owner.disk.set()
    texts = {0: "one", 16_000: "two", 32_000: "three", 48_000: "four"}
    one, two, three, four = (Utterance(bytes(32_000), start, start + 16_000) for start in texts)
    transcribing = Transcribing(cast(Transcriber, Recogniser(texts=texts)), trio.CapacityLimiter(1), 0.0, owner)
    transcribing.earlier = (SpokenClip(one), SpokenClip(two, Transcript("two", two)), SpokenClip(three))
    whole = await transcribing.with_earlier(Transcript("four", four))
    assert whole.text == "one two three four"
    assert owner.clips == [one, three]


async def test_earlier_speech_that_does_not_fit_becomes_no_clip_with_a_later_piece() -> None:
    owner = Owner()
    owner.disk.set()
    first, second = Utterance(bytes(96_000), 16_000, 64_000, continues=True), Utterance(bytes(3_200), 64_000, 65_600)
    transcribing = Transcribing(cast(Transcriber, Recogniser()), trio.CapacityLimiter(1), 1.0, owner)
    transcribing.earlier = (SpokenClip(Utterance(bytes(3_200), 0, 1_600)),)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transcribing.run)
        for piece in (first, second):
            transcribing.begin()
            transcribing.feed(piece.pcm)
            transcribing.end(piece)
    assert sorted(clip.start for clip in owner.clips) == [16_000, 64_000]
    assert len(transcribing.earlier) == 1
