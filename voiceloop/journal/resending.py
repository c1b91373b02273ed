"""Transcribes pending journal entries: those that dead sessions left or living ones have given up, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from voiceloop.audio.wav import read_wav
from voiceloop.errors import (
    BadAnswer,
    BadAudioFile,
    BadGateway,
    BadRequest,
    EdgeTimeout,
    ServerFailed,
    TimedOut,
    VoiceloopError,
    first,
)
from voiceloop.events import Publish
from voiceloop.journal.store import Entry
from voiceloop.plugins import Transcriber
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript, Utterance

PLACE = "transcribe --pending"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An entry with its transcript."""

    entry: Entry
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Failed:
    """An entry that can't be transcribed, although others may be."""

    entry: Entry
    error: VoiceloopError


Merge = Callable[[Sequence[Transcript]], Transcript]
_Result = Fetched | Failed | Exception
_ERRORS_OF_ONE_CLIP = (BadAudioFile, BadRequest, BadAnswer, ServerFailed, BadGateway, TimedOut, EdgeTimeout)
"""Errors that may concern one clip only: the others are still sent. Any other error would meet every clip."""


@asynccontextmanager
async def fetched(
    entries: Iterable[Entry], transcriber: Transcriber, publish: Publish, *, merge: Merge, overlap: int
) -> AsyncIterator[trio.MemoryReceiveChannel[Fetched | Failed]]:
    """The transcripts of `entries`, in their order; at most `overlap` are in progress at once.

    An entry whose text is already known is not transcribed again. `merge` makes one transcript of an entry's several
    clips. An entry that is damaged, or that the service refuses, comes as `Failed`.

    An error that would meet every entry (no network, no credits, a limit) is raised after the entries before it have
    been received.
    """
    # Bounded to `overlap`, so that nothing is paid for long before it is delivered; when full, no further entry starts.
    jobs, ordered = trio.open_memory_channel[trio.MemoryReceiveChannel[_Result]](overlap)
    # 0: an entry is handed over only when the reader asks for it.
    send, receive = trio.open_memory_channel[Fetched | Failed](0)
    fetching = _Fetching(transcriber, publish, merge, trio.CapacityLimiter(overlap))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_start, list(entries), fetching, jobs, nursery, name="start transcribing pending entries")
        nursery.start_soon(_in_order, ordered, send, name="pass on pending transcripts in order")
        yield receive
        nursery.cancel_scope.cancel("the caller wants no further transcripts")


async def _start(
    entries: list[Entry],
    fetching: _Fetching,
    jobs: trio.MemorySendChannel[trio.MemoryReceiveChannel[_Result]],
    nursery: trio.Nursery,
) -> None:
    with jobs:
        for entry in entries:
            send, receive = trio.open_memory_channel[_Result](1)  # one result: the sender never waits
            await jobs.send(receive)
            nursery.start_soon(fetching.fetch, entry, send, name=f"transcribe {entry.path.name}")


@dataclass(slots=True)
class _Fetching:
    """Transcribes entries, at most `limit` at once."""

    transcriber: Transcriber
    publish: Publish
    merge: Merge
    limit: trio.CapacityLimiter
    _reported: bool = False
    """Whether the notice was published that the journal's folder can't be written."""

    async def fetch(self, entry: Entry, send: trio.MemorySendChannel[_Result]) -> None:
        async with self.limit:
            failures: list[_Result] = []
            try:
                send.send_nowait(Fetched(entry, await self._transcript(entry)))
            except* Exception as group:  # noqa: BLE001 - `_in_order` raises it
                error = first(group)
                failures.append(Failed(entry, error) if isinstance(error, _ERRORS_OF_ONE_CLIP) else group)
            for failure in failures:
                send.send_nowait(failure)

    async def _transcript(self, entry: Entry) -> Transcript:
        text = await trio.to_thread.run_sync(lambda: entry.text)
        if text is not None:
            return Transcript(text, Utterance(b"", 0, 0))
        parts = []
        for path in entry.clips:
            wav = await trio.to_thread.run_sync(lambda path=path: read_wav(path, place=PLACE))  # type: ignore[misc]
            pcm = wav.at(CAPTURE_RATE_HZ)
            utterance = Utterance(pcm, 0, len(pcm) // SAMPLE_BYTES)
            async with self.transcriber.transcription() as session:
                await session.feed(pcm)
                parts.append(await session.finish(utterance))
        transcript = self.merge(parts)
        if entry.path.is_dir():
            await self._note(entry, transcript.text)
        return transcript

    async def _note(self, entry: Entry, text: str) -> None:
        """Store the text with the entry, so that it is not paid for twice."""
        try:
            await trio.to_thread.run_sync(lambda: entry.note(text=text))
        except OSError as error:
            if not self._reported:
                self._reported = True
                why = f"{entry.path.parent} can't be written: {(error.strerror or str(error)).lower()}"
                self.publish(
                    "notice", text=f"{why}. Texts that can't be delivered now will be transcribed, and paid for, again."
                )


async def _in_order(
    jobs: trio.MemoryReceiveChannel[trio.MemoryReceiveChannel[_Result]],
    send: trio.MemorySendChannel[Fetched | Failed],
) -> None:
    with jobs, send:  # not `async with`: its checkpoint could be cancelled by the reader, and the error lost
        async for job in jobs:
            with job:
                result = await job.receive()
            if isinstance(result, Exception):
                raise result
            await send.send(result)
