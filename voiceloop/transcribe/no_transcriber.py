"""`use = "none"`: writes nothing down. For voice-native handlers, which are sent the sound itself."""

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
"""Stands in the history for what was said."""


class NoTranscribeOptions(Table):
    """Options of `[transcribe] use = "none"`: there are none."""


class NoTranscriber:
    """The transcriber that `use = "none"` names."""

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
        return "none: what you say is not written down"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield _Unheard()


class _Unheard:
    async def feed(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def finish(self, utterance: Utterance) -> Transcript:
        await trio.lowlevel.checkpoint()
        return Transcript(SPOKEN, utterance)
