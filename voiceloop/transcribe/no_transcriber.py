"""The transcriber `use = "none"`: transcribes nothing. For voice-native handlers, which receive the audio itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Self

import trio
from pydantic import BaseModel

from voiceloop.config.tables import Table
from voiceloop.plugins import Services, Transcription
from voiceloop.types import Transcript, Utterance

SPOKEN = "(spoken)"
"""Placeholder in the history for the user's words."""


class NoTranscribeOptions(Table):
    """Options of `[transcribe] use = "none"`: there are none."""


class NoTranscriber:
    """The transcriber of `use = "none"`."""

    Options: ClassVar[type[BaseModel]] = NoTranscribeOptions
    preemptive: ClassVar[bool] = True

    @classmethod
    def open(cls, options: BaseModel, services: Services) -> AbstractAsyncContextManager[Self]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Self]:
            yield cls()

        return opened()

    @property
    def description(self) -> str:
        return "none: speech is not transcribed"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield _NoTranscription()


class _NoTranscription:
    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        await trio.lowlevel.checkpoint()
        return Transcript(SPOKEN, utterance)
