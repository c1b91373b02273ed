"""Stream: the speech of one piece on its way to a server that hears it while it is spoken.

The captioner's counterpart of a post: it is fed as the speech comes, and its words so far need no post of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

import trio

from voiceloop.errors import contained, first
from voiceloop.plugins import StreamedTranscription
from voiceloop.types import Transcript, Utterance

TELLS_S = 2.0
"""A server that has told no word after so much speech tells none before its end: then guesses are posted as well."""


class Streaming(Protocol):
    """The transcriber of a stream."""

    def transcription(self) -> AbstractAsyncContextManager[StreamedTranscription]: ...


class Stream:
    """The stream of a piece. `heard` is called with the words so far; None: only the final ones are wanted."""

    def __init__(self, transcriber: Streaming, heard: Callable[[str], None] | None) -> None:
        self._transcriber, self._heard = transcriber, heard
        # Unbounded in name only: a piece is as long as the longest utterance.
        self._send, self._receive = trio.open_memory_channel[bytes](math.inf)
        self._scope = trio.CancelScope()
        self._transcription: StreamedTranscription | None = None
        self._clip: Utterance | None = None
        self.told = False
        """Whether it told a word before the end of the piece."""
        self.result: Transcript | Exception | None = None
        """The final words, or why there are none. None until `done`, and if it was cancelled."""
        self.done = trio.Event()

    @property
    def live(self) -> bool:
        """Whether words may come before the end of the piece. False once the connection is lost."""
        return self._transcription is None or self._transcription.live

    def feed(self, pcm: bytes) -> None:
        """Add speech: int16, mono, 16 kHz. Never waits."""
        with suppress(trio.BrokenResourceError):  # it has failed
            self._send.send_nowait(pcm)

    def finish(self, clip: Utterance) -> None:
        """The piece is complete: `clip` holds it, and is posted if the stream was lost."""
        self._clip = clip
        self._send.close()

    def cancel(self, reason: str) -> None:
        """Give the piece up."""
        self._scope.cancel(reason)

    async def run(self) -> None:
        """Stream until `result` is known. Never raises."""
        with self._scope:
            try:
                await contained(self._run)
            except* Exception as group:  # noqa: BLE001 - the captioner reports it
                self.result = first(group)
        self.done.set()

    async def _run(self) -> None:
        async with self._transcriber.transcription() as transcription, self._receive:
            self._transcription = transcription
            if self._heard is not None:
                transcription.follow(self._hear)
            async for pcm in self._receive:
                await transcription.feed(pcm)
            if self._clip is not None:
                self.result = await transcription.finish(self._clip)

    def _hear(self, text: str) -> None:
        assert self._heard is not None
        self.told = self.told or self._clip is None
        self._heard(text)
