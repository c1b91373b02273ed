"""Sends what was kept: the clips of dead sessions and what living ones have given up, in the order of speaking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from voiceloop.audio.wav import read_wav
from voiceloop.plugins import Transcriber
from voiceloop.said import join
from voiceloop.service.shelf import Entry
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

PLACE = "transcribe --pending"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An entry with its text."""

    entry: Entry
    transcript: Transcript


_Result = Fetched | Exception


@asynccontextmanager
async def fetched(
    entries: Iterable[Entry], transcriber: Transcriber, *, overlap: int
) -> AsyncIterator[trio.MemoryReceiveChannel[Fetched]]:
    """The texts of `entries` in order; what was transcribed before isn't sent again. Raises what the transcriber does,
    and BadAudioFile; those before are given out first."""
    # As many wait as are under way: nothing is paid for long before it is delivered.
    jobs, ordered = trio.open_memory_channel[trio.MemoryReceiveChannel[_Result]](overlap)
    send, receive = trio.open_memory_channel[Fetched](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_start, list(entries), transcriber, jobs, nursery, trio.CapacityLimiter(overlap))
        nursery.start_soon(_in_order, ordered, send)
        yield receive
        nursery.cancel_scope.cancel("no more is wanted")


async def _start(
    entries: list[Entry],
    transcriber: Transcriber,
    jobs: trio.MemorySendChannel[trio.MemoryReceiveChannel[_Result]],
    nursery: trio.Nursery,
    limit: trio.CapacityLimiter,
) -> None:
    with jobs:
        for entry in entries:
            send, receive = trio.open_memory_channel[_Result](1)
            await jobs.send(receive)
            nursery.start_soon(_fetch, entry, transcriber, send, limit)


async def _fetch(
    entry: Entry,
    transcriber: Transcriber,
    send: trio.MemorySendChannel[_Result],
    limit: trio.CapacityLimiter,
) -> None:
    async with limit:
        failures: list[Exception] = []
        try:
            send.send_nowait(Fetched(entry, await _transcript(entry, transcriber)))
        except* Exception as group:  # noqa: BLE001 - raised where its turn comes
            failures.append(group)
        for failure in failures:
            send.send_nowait(failure)


async def _transcript(entry: Entry, transcriber: Transcriber) -> Transcript:
    text = await trio.to_thread.run_sync(lambda: entry.text)
    if text is not None:
        return Transcript(text, Utterance(b"", 0, 0))
    parts = []
    for path in entry.clips:
        wav = await trio.to_thread.run_sync(lambda path=path: read_wav(path, place=PLACE))  # type: ignore[misc]
        pcm = wav.at(CAPTURE_RATE_HZ)
        utterance = Utterance(pcm, 0, len(pcm) // SAMPLE_BYTES)
        async with transcriber.transcription() as session:
            await session.feed(pcm)
            parts.append(await session.finish(utterance))
    whole = join(parts)
    if entry.path.is_dir():
        await trio.to_thread.run_sync(lambda: entry.note(text=whole.text))
    return whole


async def _in_order(
    jobs: trio.MemoryReceiveChannel[trio.MemoryReceiveChannel[_Result]],
    send: trio.MemorySendChannel[Fetched],
) -> None:
    with jobs, send:  # not `async with`: its wait would be cancelled by who reads, and the error lost
        async for job in jobs:
            with job:
                result = await job.receive()
            if isinstance(result, Exception):
                raise result
            await send.send(result)
