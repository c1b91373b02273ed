"""The transcription of a recording: the VAD and segmenter of the live loop, at full speed, with overlapping posts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import trio

from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent
from voiceloop.plugins import Transcriber, Vad
from voiceloop.types import Frame, Transcript, Utterance

PIECE_BYTES = 3200
"""0.1 s at the capture rate: short enough that requests are sent and answers received in between."""


class Samples(Protocol):
    """What is transcribed, such as `audio.recordings.reading.Reading`."""

    async def read(self) -> bytes:
        """The next samples (int16, mono, 16 kHz); none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Job:
    """An utterance, and a channel with room for its transcript."""

    utterance: Utterance
    send: trio.MemorySendChannel[Transcript]
    receive: trio.MemoryReceiveChannel[Transcript]


@dataclass(frozen=True, slots=True)
class Recording:
    """Transcribes samples utterance by utterance, in constant memory.

    `overlap` is the maximum number of concurrent transcriptions.
    """

    vad: Vad
    segmenter: Segmenter
    transcriber: Transcriber
    overlap: int

    @asynccontextmanager
    async def transcripts(self, samples: Samples) -> AsyncIterator[trio.MemoryReceiveChannel[Transcript]]:
        """The transcripts in the order of speech. Raises the errors of the transcriber and of `samples`."""
        # At most `overlap` utterances are queued. Then cutting waits, so that a long file isn't held in memory.
        jobs, ordered = trio.open_memory_channel[_Job](self.overlap)
        # 0: a transcript is handed over only when the reader asks for it.
        send, receive = trio.open_memory_channel[Transcript](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cut, samples, jobs, nursery, name="cut the recording")
            nursery.start_soon(_in_order, ordered, send, name="order the transcripts")
            yield receive
            nursery.cancel_scope.cancel("the reader has ended")

    async def _cut(self, samples: Samples, jobs: trio.MemorySendChannel[_Job], nursery: trio.Nursery) -> None:
        limit = trio.CapacityLimiter(self.overlap)
        index = 0
        self.vad.reset()
        async with jobs:
            while pcm := await samples.read():
                for at in range(0, len(pcm), PIECE_BYTES):
                    frame = Frame(pcm[at : at + PIECE_BYTES], index)
                    events = self.segmenter.feed(frame, self.vad.feed(frame.pcm, index))
                    await self._post(events, jobs, nursery, limit)
                    index = frame.end
            await self._post(self.segmenter.flush(), jobs, nursery, limit)

    async def _post(
        self,
        events: list[SpeechEvent],
        jobs: trio.MemorySendChannel[_Job],
        nursery: trio.Nursery,
        limit: trio.CapacityLimiter,
    ) -> None:
        await trio.lowlevel.checkpoint()
        for event in events:
            if isinstance(event, SpeechEnded):
                # 1: a job has one result, so its sender never waits.
                job = _Job(event.utterance, *trio.open_memory_channel[Transcript](1))
                await jobs.send(job)
                nursery.start_soon(self._transcribe, job, limit, name="transcribe an utterance")

    async def _transcribe(self, job: _Job, limit: trio.CapacityLimiter) -> None:
        async with limit, self.transcriber.transcription() as session:
            await session.feed(job.utterance.pcm)
            with job.send:
                job.send.send_nowait(await session.finish(job.utterance))


async def _in_order(jobs: trio.MemoryReceiveChannel[_Job], send: trio.MemorySendChannel[Transcript]) -> None:
    async with jobs, send:
        async for job in jobs:
            async with job.receive:
                await send.send(await job.receive.receive())
