"""`echo`: repeats what the user said. The smallest handler: for trying a microphone, and as an example."""

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
    """Options of `[handler] use = "echo"`."""

    prefix: str = ""
    """Text spoken before the repeated words."""


class EchoHandler:
    """The handler for `use = "echo"`."""

    Options = EchoOptions
    turns: Turns = "replace"
    preemptive = True
    """Safe: the handler only speaks, and speech is held back until the turn is certain."""

    def __init__(self, options: EchoOptions) -> None:
        self._prefix = options.prefix

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        assert isinstance(options, EchoOptions)
        yield cls(options)

    @property
    def description(self) -> str:
        return "echo: repeats what you say"

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        await reply.say(f"{self._prefix} {transcript.text}".lstrip())

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()
