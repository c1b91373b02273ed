"""`echo`: says what it heard. The smallest handler, for trying a microphone and as an example."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

import trio
from pydantic import BaseModel

from voiceloop.config.tables import Table
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services, Turns


class EchoOptions(Table):
    """The keys of `[handler]` with `use = "echo"`."""

    prefix: str = ""
    """Said before what was heard."""


class EchoHandler:
    """Says what it heard."""

    Options = EchoOptions
    turns: Turns = "replace"
    preemptive = True
    """It does nothing but speak, and speech waits for the turn to be certain."""

    def __init__(self, options: EchoOptions) -> None:
        self._prefix = options.prefix

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        assert isinstance(options, EchoOptions)
        yield cls(options)

    @property
    def description(self) -> str:
        return "echo: says what it heard"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        await reply.say(f"{self._prefix} {transcript.text}".lstrip())

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()
